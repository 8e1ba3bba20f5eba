# The gate of strata.set_dedup under load: writers with overlapping batches, rollbacks and single rows store every
# vector once, and never wait for each other in a circle. Then what outlives the server: dumps, crashes, copies.
use strict;
use warnings;
use PostgreSQL::Test::Utils;
use StrataTest;
use Test::More;

my $node = strata_node('main', settings => "deadlock_timeout = '20ms'\nwal_level = logical\nmax_wal_senders = 4\n");
sql($node, <<'SQL');
CREATE TABLE items (id bigint GENERATED ALWAYS AS IDENTITY, v vector(8));
SELECT strata.set_dedup('items', 'v');
CREATE FUNCTION vector_of(number int) RETURNS vector LANGUAGE sql IMMUTABLE AS
  $$ SELECT ARRAY[number, number / 7, number % 5, 1, 0, 0, 0, number]::vector $$;
SQL

$node->pgbench(
    '--no-vacuum --client=8 --transactions=150',
    0,
    [qr/actually processed: 1200\/1200/],
    [qr/^$/],
    'eight writers of overlapping batches',
    {
        'batch@10' => q{
            \set first random(1, 2000)
            INSERT INTO items (v) SELECT vector_of((i * 7919 + :first) % 3000) FROM generate_series(1, 40) AS i;
        },
        'reverse@10' => q{
            \set first random(1, 2000)
            INSERT INTO items (v) SELECT vector_of(i) FROM generate_series(:first + 60, :first, -1) AS i;
        },
        'single@10' => q{
            \set number random(1, 3000)
            INSERT INTO items (v) VALUES (vector_of(:number));
        },
        'rollback@5' => q{
            \set first random(1, 3000)
            BEGIN;
            INSERT INTO items (v) SELECT vector_of(i) FROM generate_series(:first, :first + 50) AS i;
            ROLLBACK;
        },
        'delete@3' => q{
            \set number random(1, 3000)
            DELETE FROM items WHERE v = vector_of(:number);
        },
        'update@3' => q{
            \set number random(1, 3000)
            UPDATE items SET v = vector_of(:number + 1) WHERE v = vector_of(:number);
        },
    });
is(sql($node, 'SELECT count(*) - count(DISTINCT v) FROM items'), '0', 'no vector twice');
is(sql($node, 'SELECT (SELECT count(*) FROM items_v_dedup) - (SELECT count(*) FROM items)'), '1',
    'a claim for every row, and the settings');
is(sql($node, 'SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()'), '0', 'no deadlock');
is(sql($node, 'SELECT seen = stored + skipped AND errors = 0 AND skipped > 0 FROM strata.stat_dedup'), 't',
    'every row is counted');

# Near rows: sessions lock the lists around their vector, and wait for nobody else.
sql($node, <<'SQL');
CREATE TABLE near (v vector(3));
INSERT INTO near SELECT ARRAY[1000 + i % 97, i % 89, i % 83]::vector FROM generate_series(1, 4000) AS i;
CREATE INDEX near_v ON near USING ivf (v);
CALL strata.retrain('near_v');
SELECT strata.set_dedup('near', 'v', mode => 'near', epsilon => 0.2);
SQL
$node->pgbench(
    '--no-vacuum --client=8 --transactions=50',
    0,
    [qr/actually processed: 400\/400/],
    [qr/^$/],
    'eight writers of near rows',
    {
        'near_single@10' => q{
            \set x random(1, 200)
            INSERT INTO near VALUES (ARRAY[1000 + :x / 10.0, 5, 5]::vector);
        },
        'near_batch' => q{
            \set x random(1, 150)
            INSERT INTO near SELECT ARRAY[1000 + (:x + i * 7 % 50) / 10.0, 5, 5]::vector
              FROM generate_series(1, 40) AS i;
        },
    });
my $pairs = 'SELECT count(*) FROM near a, near b WHERE a.ctid < b.ctid AND a.v <-> b.v <= 0.2';
is(sql($node, $pairs), '0', 'no near rows');
cmp_ok(sql($node, 'SELECT count(*) FROM near'), '>', 4000, 'but others');
is(sql($node, 'SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()'), '0', 'and no deadlock');

# What has expired goes by itself: a worker that comes for an index removes it.
sql($node, <<'SQL');
CREATE TABLE news (v vector(3));
CREATE INDEX ON news USING ivf (v) WITH (min_seal_rows = 1);
SELECT strata.set_dedup('news', 'v', ttl => '1 hour');
INSERT INTO news SELECT ARRAY[i, 0, 0]::vector FROM generate_series(1, 50) AS i;
UPDATE news_v_dedup SET expires_at = now() - interval '1 second' WHERE settings IS NULL;
SET strata.auto_flush_interval = '10ms';
INSERT INTO news SELECT ARRAY[i, 1, 0]::vector FROM generate_series(1, 3000) AS i;
SQL
wait_until($node, 'SELECT count(*) FROM news_v_dedup', '3001', 'expired claims are removed in the background');
sql($node, 'DROP TABLE news');

copy_database($node, 'copy');
my $again = 'INSERT INTO items (v) SELECT v FROM items LIMIT 10; SELECT count(*) - count(DISTINCT v) FROM items';
is(sql($node, $again, 'copy'), '0', 'the gate of the copy knows what is in it');
my $settings = q{SELECT "table", "column", mode FROM strata.stat_dedup ORDER BY 3};
is(sql($node, $settings, 'copy'), "items|v|exact\nnear|v|near", 'settings come along');

# A crash forgets what was not committed, and nothing else.
my $session = $node->background_psql('postgres', on_error_stop => 0);
$session->query_safe("BEGIN; INSERT INTO items (v) VALUES (vector_of(5001))");
$node->stop('immediate');
eval { $session->quit };
$node->start;
is(sql($node, 'INSERT INTO items (v) VALUES (vector_of(5001)), (vector_of(5001)) RETURNING 1'), '1',
    'what a crash undid may be stored');
is(sql($node, $again), '0', 'what was committed may not');

# A subscriber with a gate of its own: what arrives is stored and remembered.
my $copy = strata_node('copy');
sql($copy, <<'SQL');
CREATE TABLE items (id bigint, v vector(8));
SELECT strata.set_dedup('items', 'v');
SQL
sql($node, 'ALTER TABLE items REPLICA IDENTITY FULL; CREATE PUBLICATION p FOR TABLE items');
my $publisher = $node->connstr . ' dbname=postgres';
sql($copy, "CREATE SUBSCRIPTION s CONNECTION '$publisher' PUBLICATION p");
$copy->wait_for_subscription_sync($node, 's');
sql($node, 'INSERT INTO items (v) SELECT vector_of(i) FROM generate_series(6000, 6020) AS i');
$node->wait_for_catchup('s');
my $rows = 'SELECT count(*) FROM items';
is(sql($copy, $rows), sql($node, $rows), 'all rows arrive');
sql($copy, 'INSERT INTO items (v) SELECT v FROM items');
is(sql($copy, 'SELECT count(*)  - count(DISTINCT v) FROM items'), '0', 'and are known to the gate');
sql($copy, 'DROP SUBSCRIPTION s');

done_testing();
