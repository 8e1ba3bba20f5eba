# kill -9 while rows are inserted, sealed, merged, vacuumed and reclaimed: after recovery the index is sound, holds
# every committed row once, and unlogged indexes start empty.
use strict;
use warnings;
use PostgreSQL::Test::Utils;
use StrataTest;
use Test::More;
use Time::HiRes qw(sleep);

my $node = strata_node('main', settings => "fsync = on\nfull_page_writes = on\nstrata.auto_flush_interval = '50ms'\n");
make_table($node, 'items', rows => 300, dim => 24);
sql($node, <<'SQL');
CREATE INDEX items_v ON items USING ivf (v) WITH (min_seal_rows = 100, segment_size = 1);
CREATE UNLOGGED TABLE scratch AS SELECT * FROM items;
CREATE INDEX scratch_v ON scratch USING ivf (v);
CHECKPOINT;
SQL

# Small transactions, deletes and maintenance by several sessions at once.
sub load
{
    my ($first) = @_;
    my @sessions;
    foreach my $part (0 .. 1)
    {
        my $from = $first + 100000 * $part;
        push @sessions, start_in_background($node, <<"SQL");
DO \$\$
BEGIN
  FOR n IN 0 .. 100000 LOOP
    INSERT INTO items SELECT i, test_vector(i, 24) FROM generate_series($from + n * 20, $from + n * 20 + 19) AS i;
    DELETE FROM items WHERE id = $from + n * 20 - 7 OR id = $from + n * 20 - 113;
    COMMIT;
  END LOOP;
END \$\$
SQL
    }
    push @sessions, start_in_background($node, <<'SQL');
DO $$
BEGIN
  LOOP
    PERFORM strata.flush('items_v');
    CALL strata.merge('items_v');
    COMMIT;
  END LOOP;
END $$
SQL
    return @sessions;
}

foreach my $round (1 .. 4)
{
    my @sessions = load(1000000 * $round);
    my $goal = sql($node, 'SELECT count(*) + 2000 FROM items');
    wait_until($node, "SELECT count(*) > $goal FROM items", 't', "round $round: rows arrive");
    $node->psql('postgres', 'VACUUM items');
    sleep(0.05 * $round);
    crash_and_restart($node);
    $_->finish foreach @sessions;
    my $rows = sql($node, 'SELECT count(*) FROM items');
    my ($status, $out, $err) =
      $node->psql('postgres', "SELECT rows >= heap_rows, heap_rows FROM strata.verify('items_v', true)");
    ok($status == 0, "round $round: the index is sound") or diag($err);
    is($out, "t|$rows", "round $round: it holds every row of the table");
    cmp_ok(recall($node, table => 'items'), '>=', 0.9, "round $round: rows are found");
    is(sql($node, "SELECT rows FROM strata.verify('scratch_v', true)"),
        '0', "round $round: the unlogged index is empty");
    sql($node, 'INSERT INTO scratch SELECT * FROM items ORDER BY id LIMIT 50');
    is(sql($node, "SELECT rows FROM strata.verify('scratch_v', true)"), '50', "round $round: and takes rows again");
}

# What a crash left half done is cleaned up by whoever comes next.
sql($node, 'CALL strata.merge(\'items_v\')');
sql($node, 'SELECT pg_current_xact_id()');
sql($node, 'VACUUM items');
is(sql($node, "SELECT count(*) FROM strata.segments WHERE index = 'items_v'::regclass AND state = 'building'"),
    '0', 'no half-written segment is left');
verify_index($node, 'items_v');

done_testing();
