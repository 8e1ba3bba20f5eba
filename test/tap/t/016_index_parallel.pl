# Parallel builds that come to a bad end: the leader is cancelled, a worker is ended or killed. The statement fails, no
# index and no worker is left, and the next build succeeds.
use strict;
use warnings;
use PostgreSQL::Test::Utils;
use StrataTest;
use Test::More;

my $node = strata_node('main', settings => <<'CONF');
strata.auto_flush_interval = 0
min_parallel_table_scan_size = 0
max_parallel_maintenance_workers = 2
restart_after_crash = on
CONF
# Workers are so slow that they are met at work, with the leader waiting for them.
sql($node, <<'SQL');
CREATE TABLE items (id int PRIMARY KEY, v vector(4));
INSERT INTO items SELECT i, ARRAY[i % 7, i % 11, i % 13, i % 17]::vector FROM generate_series(1, 30000) i;
CREATE FUNCTION slow(v vector) RETURNS vector LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
BEGIN
  IF pg_backend_pid() <> current_setting('test.leader')::int THEN PERFORM pg_sleep(0.5); END IF;
  RETURN v;
END $$;
SQL
my $slow_build = q{SELECT set_config('test.leader', pg_backend_pid()::text, false);}
  . 'CREATE INDEX items_slow ON items USING ivf ((slow(v)::vector(4)))';
my $leader = q{FROM pg_stat_activity WHERE query LIKE 'SELECT set_config%' AND backend_type = 'client backend'};
my $workers = q{FROM pg_stat_activity WHERE backend_type = 'parallel worker'};

# Starts the slow build, runs an SQL statement when its workers are there, and returns what the build said.
sub end_badly
{
    my ($what, $statement) = @_;
    my $build = start_in_background($node, $slow_build);
    wait_until($node, "SELECT count(*) >= 1 $workers", 't', "$what: workers are at work");
    sql($node, $statement) if $statement;
    $build->finish;
    isnt($build->full_result(0), 0, "$what: the build fails");
    wait_until($node, "SELECT count(*) $workers", '0', "$what: no worker is left");
    is(sql($node, q{SELECT count(*) FROM pg_class WHERE relname = 'items_slow'}), '0', "$what: no index is left");
    return;
}

end_badly('leader cancelled', "SELECT pg_cancel_backend(pid) $leader");
end_badly('leader terminated', "SELECT pg_terminate_backend(pid) $leader");
end_badly('worker terminated', "SELECT pg_terminate_backend(pid) $workers");

# A worker that dies takes the server down, and recovery finds a table without the index.
{
    my $build = start_in_background($node, $slow_build);
    wait_until($node, "SELECT count(*) >= 1 $workers", 't', 'worker killed: workers are at work');
    my ($worker) = split /\n/, sql($node, "SELECT pid $workers");
    kill 'KILL', $worker;
    $build->finish;
    isnt($build->full_result(0), 0, 'worker killed: the build fails');
    $node->poll_query_until('postgres', 'SELECT true');
    my $left = q{SELECT count(*) FROM pg_class WHERE relname = 'items_slow'};
    is(sql($node, $left), '0', 'worker killed: no index is left');
}

sql($node, 'CREATE INDEX items_v ON items USING ivf (v)');
verify_index($node, 'items_v', 'the next build succeeds');
is(sql($node, q{SELECT count(*) FROM pg_ls_tmpdir()}), '0', 'no temporary files are left');

done_testing();
