# Indexes beside each other: strata.insert_buffer_size counts the growing segments of all databases and has the largest
# of them sealed, wherever it is; and an index at rest becomes like a fresh one although rows keep coming to another.
use strict;
use warnings;
use PostgreSQL::Test::Utils;
use StrataTest;
use Test::More;

my $node = strata_node('main', settings => <<'CONF');
shared_preload_libraries = 'strata'
strata.auto_flush_interval = '50ms'
strata.insert_buffer_size = '1MB'
CONF
sql($node, 'CREATE DATABASE other');
sql($node, 'CREATE EXTENSION strata', 'other');

my $sealed = "SELECT count(*) FROM strata.segments WHERE state IN ('sealed', 'indexed')";
my $growing = "SELECT coalesce(sum(bytes), 0) FROM strata.segments WHERE state = 'growing'";
sub fill
{
    my ($database, $rows) = @_;
    sql($node, <<"SQL", $database);
CREATE TABLE many (v vector(64));
CREATE INDEX many_v ON many USING ivf (v) WITH (min_seal_rows = 1000000, max_growing_age = 100000);
INSERT INTO many SELECT (SELECT array_agg(random()) FROM generate_series(1, 64) WHERE i > 0)::vector
FROM generate_series(1, $rows) AS i;
SQL
    return;
}
fill('postgres', 4000);
fill('other', 6000);
my @sizes = map { sql($node, $growing, $_) } ('postgres', 'other');
cmp_ok($sizes[0], '<', $sizes[1], "growing segments: @sizes bytes");
cmp_ok($sizes[1], '<=', 1024 * 1024, 'neither is too large by itself');
cmp_ok($sizes[0] + $sizes[1], '>', 1024 * 1024, 'both together are');
ok($node->poll_query_until('other', $sealed, '1'), 'the larger one is sealed');
is(sql($node, $sealed), '0', 'and the smaller one is not');

# Each is sealed in its turn, whichever worker notices.
sql($node, 'INSERT INTO many SELECT v FROM many LIMIT 2000');
sql($node, 'INSERT INTO many SELECT v FROM many LIMIT 3500', 'other');
ok($node->poll_query_until('postgres', $sealed, '1'), 'now the other is the larger one');
is(sql($node, $sealed, 'other'), '1', 'and the first stays');
is(sql($node, q{SELECT heap_rows FROM strata.verify('many_v', true)}), '6000', 'nothing is lost');
sql($node, 'DROP DATABASE other');
sql($node, 'DROP TABLE many');

# A table to which rows come all the time, and one to which none come any more.
sql($node, <<'SQL');
CREATE TABLE busy (v vector(2));
CREATE INDEX busy_v ON busy USING ivf (v) WITH (min_seal_rows = 10);
CREATE TABLE idle (v vector(8));
CREATE INDEX idle_v ON idle USING ivf (v);
SQL
my $writer = start_in_background($node, <<'SQL');
DO $$
BEGIN
  LOOP
    INSERT INTO busy VALUES (ARRAY[random(), random()]::vector);
    COMMIT;
    PERFORM pg_sleep(0.01);
  END LOOP;
END $$
SQL
for my $part (1 .. 6)
{
    sql($node, 'INSERT INTO idle SELECT (SELECT array_agg(random()) FROM generate_series(1, 8) WHERE i > 0)::vector
                FROM generate_series(1, 5000) AS i');
}
my $state = q{SELECT count(*) FILTER (WHERE kind = 'segment') || ' ' || count(*) FILTER (WHERE kind = 'epoch')
              FROM strata.segments WHERE index = 'idle_v'::regclass AND state <> 'retired'};
ok($node->poll_query_until('postgres', $state, '1 1'), 'one segment, one codebook');
is(sql($node, q{SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%INTO busy%' AND pid <> pg_backend_pid()}),
    '1', 'while rows still come to the other');
sql($node, q{SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity
             WHERE query LIKE '%INTO busy%' AND pid <> pg_backend_pid()});
$writer->finish;
is(sql($node, 'SELECT count(*) FROM strata.worker_failures'), '0', 'no worker failed');
verify_index($node, $_) for ('idle_v', 'busy_v');

done_testing();
