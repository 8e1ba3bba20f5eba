# A worker in the middle of a long training gives way at once: to whoever wants the table alone, to DROP DATABASE and
# ALTER DATABASE ... SET TABLESPACE, which wait five seconds for others to leave, and to the next start of a server
# whose postmaster is dead. What it had begun is taken up again.
use strict;
use warnings;
use PostgreSQL::Test::Utils;
use StrataTest;
use Test::More;
use Time::HiRes ();

my $node = strata_node('main', settings => <<'CONF');
shared_buffers = 256MB
maintenance_work_mem = '256MB'
strata.auto_flush_interval = '20ms'
log_min_messages = debug1
allow_in_place_tablespaces = on
CONF
sql($node, 'CREATE DATABASE other');
sql($node, "CREATE TABLESPACE elsewhere LOCATION ''");

my $training = "SELECT count(*) FROM strata.progress WHERE phase = 'cluster' AND database = 'other'";

# Rows whose codebook takes many seconds: stretches of one long random series.
sql($node, <<'SQL', 'other');
CREATE EXTENSION strata;
CREATE TABLE t (v vector(1024));
ALTER TABLE t ALTER v SET STORAGE PLAIN;
CREATE INDEX t_v ON t USING ivf (v) WITH (min_seal_rows = 1000, max_growing_age = 1);
INSERT INTO t SELECT (s.floats[i : i + 1023])::vector
FROM (SELECT array_agg(random()::real) FROM generate_series(1, 24000)) AS s(floats), generate_series(1, 22000) AS i;
SQL

sub wait_for_training
{
    my ($name) = @_;
    foreach my $try (1 .. 600)
    {
        last if sql($node, $training) eq '1';
        # Inserting is what starts workers.
        sql($node, 'INSERT INTO t SELECT v FROM t LIMIT 1', 'other') if $try % 20 == 1;
        Time::HiRes::sleep(0.05);
    }
    is(sql($node, $training), '1', $name);
    return;
}

wait_for_training('a codebook is being trained');
my $trained = sql($node, <<'SQL', 'other');
BEGIN;
LOCK TABLE t IN ACCESS EXCLUSIVE MODE;
SELECT count(*) FROM strata.segments WHERE kind = 'epoch';
COMMIT;
SQL
is($trained, '0', 'who wants the table alone has it before the training ends');

wait_for_training('it begins anew');
is($node->psql('postgres', 'ALTER DATABASE other SET TABLESPACE elsewhere'), 0, 'the database moves meanwhile');

wait_for_training('it begins anew there');
my $worker = sql($node, "SELECT pid FROM strata.progress WHERE phase = 'cluster' AND database = 'other'");
my $log_end = -s $node->logfile;
$node->kill9;
foreach my $try (1 .. 600)
{
    last unless is_running($worker);
    Time::HiRes::sleep(0.05);
}
like(slurp_file($node->logfile, $log_end), qr/maintenance of index "t_v" gives way/,
    'the worker ends its training with the postmaster');
restart_killed($node);
wait_for_training('it begins anew after the crash');
is($node->psql('postgres', 'DROP DATABASE other'), 0, 'the database is dropped meanwhile');

my $log = slurp_file($node->logfile);
unlike($log, qr/PANIC|was terminated by signal|TRAP/, 'nobody crashed');
unlike($log, qr/training was interrupted/, 'nothing failed');

done_testing();
