# Helpers for the TAP tests: servers with small settings, data that is the same in every run, recall, crashes.
#
#   use StrataTest;
#   my $node = strata_node('primary', streaming => 1);
#   make_table($node, 'items', rows => 1000, dim => 16);
#   cmp_ok(recall($node, table => 'items', op => '<->', k => 10), '>=', 0.95, 'recall');
#
# Sockets only; a node stops when the test ends, however it ends. Everything else is PostgreSQL::Test::Cluster's.
package StrataTest;

use strict;
use warnings;
use Exporter 'import';
use IPC::Run ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);

our @EXPORT = qw(
  strata_node standby_of crash_and_restart restart_killed is_running make_table add_rows recall same_result sql
  verify_index wait_until start_in_background hold_lock let_go copy_database
);

# Small enough that a test reaches every state with few rows, and quick.
my $settings = <<'CONF';
shared_buffers = 32MB
max_connections = 20
max_worker_processes = 12
autovacuum = off
log_min_messages = warning
log_statement = none
log_replication_commands = off
CONF

# A running server with the extension in database postgres. Options:
#   streaming => 1      may have standbys, checks every replayed page against the primary's (wal_consistency_checking)
#   settings => TEXT    more lines of configuration
#   extension => 0      do not create the extension
#   start => 0          do not start it (implies extension => 0)
sub strata_node
{
    my ($name, %options) = @_;
    my $node = PostgreSQL::Test::Cluster->new($name);
    $node->init(allows_streaming => $options{streaming} ? 'logical' : 0);
    $node->append_conf('postgresql.conf', $settings);
    $node->append_conf('postgresql.conf', "wal_consistency_checking = 'all'\n") if $options{streaming};
    $node->append_conf('postgresql.conf', $options{settings}) if defined $options{settings};
    return $node if defined $options{start} && !$options{start};
    $node->start;
    $node->safe_psql('postgres', 'CREATE EXTENSION strata')
      unless defined $options{extension} && !$options{extension};
    return $node;
}

# Dumps database postgres and restores it as a new database. Formats: plain (without one), custom. Two tests.
sub copy_database
{
    my ($node, $copy, $format) = @_;
    $format //= 'plain';
    my $file = $node->basedir . "/$copy.$format";
    $node->command_ok([ 'pg_dump', '--format', $format, '--file', $file, '--dbname', $node->connstr('postgres') ],
        "dump, $format");
    sql($node, "CREATE DATABASE $copy");
    my @restore =
      $format eq 'plain'
      ? ('psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-f', $file, '-d', $node->connstr($copy))
      : ('pg_restore', '--exit-on-error', '--dbname', $node->connstr($copy), $file);
    $node->command_ok(\@restore, "restore, $format");
    return;
}

# A streaming standby, caught up.
sub standby_of
{
    my ($primary, $name, %options) = @_;
    my $backup = "for_$name";
    $primary->backup($backup);
    my $standby = PostgreSQL::Test::Cluster->new($name);
    $standby->init_from_backup($primary, $backup, has_streaming => 1);
    $standby->append_conf('postgresql.conf', $options{settings}) if defined $options{settings};
    $standby->start;
    $primary->wait_for_catchup($standby);
    return $standby;
}

# kill -9 of the postmaster and of all its processes, then recovery.
sub crash_and_restart
{
    my ($node) = @_;
    my $pid = postmaster_of($node);
    # Stopped first, so that it starts no further process that would outlive it: a worker, say, that waits for ever for
    # a lock of a killed one.
    kill('STOP', $pid);
    sleep(0.01) until ((process_state($pid))[0] // 'T') eq 'T';
    my @children = children_of($pid);
    $node->kill9;
    kill('KILL', @children);
    restart_killed($node, @children);
    return;
}

sub postmaster_of
{
    my ($node) = @_;
    my ($pid) = split /\n/, slurp_file($node->data_dir . '/postmaster.pid');
    return $pid;
}

# Starts a server whose postmaster was killed, once it and these others of its processes are gone.
sub restart_killed
{
    my ($node, @others) = @_;
    my $pid = postmaster_of($node);
    my $begin = time;
    # A signal may end a sleep early, hence the clock.
    sleep(0.1) while grep({ is_running($_) } $pid, @others) && time - $begin < 60;
    # Orphans are collected late or never in some containers, and a dead process that still has its number would block
    # the start by both of its lock files.
    unlink $node->data_dir . '/postmaster.pid', $node->host . '/.s.PGSQL.' . $node->port . '.lock' if kill(0, $pid);
    $node->start;
    return;
}

# The fields of /proc/PID/stat from the state on; none if there is no such process.
sub process_state
{
    my ($pid) = @_;
    open(my $file, '<', "/proc/$pid/stat") or return;
    my $stat = <$file> // '';
    close($file);
    return $stat =~ /.*\) (.*)/s ? split(' ', $1) : ();
}

sub children_of
{
    my ($parent) = @_;
    opendir(my $directory, '/proc') or die "cannot read /proc: $!";
    my @children = grep { /^\d+$/ && ((process_state($_))[1] // 0) == $parent } readdir($directory);
    closedir($directory);
    return @children;
}

# Whether there is such a process that is not just waiting to be collected.
sub is_running
{
    my ($pid) = @_;
    my ($state) = process_state($pid);
    return defined $state && $state ne 'Z' && $state ne 'X';
}

# A session that holds the lock processes wait for at strata.debug_wait_at, and no snapshot, until let_go() or the end
# of its server.
sub hold_lock
{
    my ($node) = @_;
    my ($in, $out) = ("SELECT pg_advisory_lock(5354);\n", '');
    my $session = IPC::Run::start([ 'psql', '-X', '-q', '-d', $node->connstr('postgres') ],
        '<', \$in, '>', \$out, '2>&1');
    $session->pump while length($in);
    wait_until($node, q{SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = 5354 AND granted}, '1',
        'the lock is held');
    return $session;
}

sub let_go
{
    my ($node, $session) = @_;
    sql($node, q{SELECT pg_terminate_backend(pid, 10000) FROM pg_locks
                 WHERE locktype = 'advisory' AND objid = 5354 AND mode = 'ExclusiveLock'});
    $session->finish;
    return;
}

# One statement's result, as psql -At prints it.
sub sql
{
    my ($node, $query, $database) = @_;
    return $node->safe_psql($database // 'postgres', $query);
}

# A table (id bigint primary key, v vector(dim)) with `rows` rows. Options: rows, dim, type (vector, halfvec).
sub make_table
{
    my ($node, $table, %options) = @_;
    my $dim = $options{dim} // 16;
    my $type = $options{type} // 'vector';
    sql($node, <<"SQL");
CREATE OR REPLACE FUNCTION test_vector(seed bigint, dim int) RETURNS vector LANGUAGE sql IMMUTABLE PARALLEL SAFE AS \$\$
  -- One of 50 centres and some noise; hashes, so that a row is the same in every run.
  SELECT array_agg((mod(hashint8(seed % 50 * 1000 + d)::bigint, 1000) / 1000.0
                    + mod(hashint8(seed * 20011 + d)::bigint, 1000) / 4000.0)::real ORDER BY d)::vector
  FROM generate_series(1, dim) AS d
\$\$;
CREATE TABLE $table (id bigint PRIMARY KEY, v $type($dim));
SQL
    add_rows($node, $table, 1, $options{rows}, $dim) if $options{rows};
    return;
}

# Rows first..last of what make_table() would make.
sub add_rows
{
    my ($node, $table, $first, $last, $dim) = @_;
    sql($node, "INSERT INTO $table SELECT i, test_vector(i, $dim) FROM generate_series($first, $last) AS i");
    return;
}

# The share of the k nearest rows that the index finds, over some rows of the table as queries. A row as near as the
# k-th nearest counts, whichever its id. Dies when the index is not used. Options: table, column (v), op (<->), k (10),
# queries (20), settings (SQL run first).
sub recall
{
    my ($node, %options) = @_;
    my ($table, $column, $op) = ($options{table}, $options{column} // 'v', $options{op} // '<->');
    my ($k, $queries) = ($options{k} // 10, $options{queries} // 20);
    my $before = $options{settings} // '';
    my $query = <<"SQL";
SELECT q.id, r.distance
FROM (SELECT id, $column AS probe FROM $table WHERE $column IS NOT NULL ORDER BY hashint8(id) LIMIT $queries) AS q,
     LATERAL (SELECT t.$column $op q.probe AS distance FROM $table AS t ORDER BY t.$column $op q.probe LIMIT $k) AS r
ORDER BY q.id, r.distance
SQL
    my $plan = sql($node, "$before; SET enable_seqscan = off; SET enable_sort = off; EXPLAIN $query");
    die "the index is not used:\n$plan" unless $plan =~ /Index Scan using \S+ on \S+ t/;
    my $found = sql($node, "$before; SET enable_seqscan = off; SET enable_sort = off; $query");
    my $exact = sql($node, "SET enable_indexscan = off; $query");
    my (%limit, %hits, $wanted);
    foreach (split /\n/, $exact)
    {
        my ($id, $distance) = split /\|/;
        $limit{$id} = $distance;    # the last one is the k-th
        $wanted++;
    }
    my $hit_count = 0;
    foreach (split /\n/, $found)
    {
        my ($id, $distance) = split /\|/;
        my $slack = 1e-6 * abs($limit{$id}) + 1e-9;
        $hit_count++ if $distance <= $limit{$id} + $slack;
    }
    return $wanted ? $hit_count / $wanted : 1;
}

# A test: both nodes answer alike.
sub same_result
{
    my ($left, $right, $query, $name) = @_;
    is(sql($right, $query), sql($left, $query), $name);
    return;
}

# A test: strata.verify finds nothing wrong with the index, and every row of its table in it, once.
sub verify_index
{
    my ($node, $index, $name) = @_;
    my ($status, $out, $err) = $node->psql('postgres', "SELECT * FROM strata.verify('$index', true)");
    ok($status == 0, $name // "$index verifies") or diag($err);
    return;
}

# A test: the query returns the expected text before long.
sub wait_until
{
    my ($node, $query, $expected, $name) = @_;
    ok($node->poll_query_until('postgres', $query, $expected), $name);
    return;
}

# Runs SQL in a session of its own while the test goes on; returns the handle for IPC::Run's finish or kill_kill.
sub start_in_background
{
    my ($node, $query) = @_;
    my ($in, $out) = ('', '');
    return IPC::Run::start(['psql', '-X', '-q', '-d', $node->connstr('postgres'), '-c', $query],
        '<', \$in, '>', \$out, '2>&1');
}

1;
