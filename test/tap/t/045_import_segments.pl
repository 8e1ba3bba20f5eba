# An import that is stopped while its rows wait, and while they are being written as a segment: kill -9, cancel, an
# error that a trigger catches; and what others do meanwhile.
use strict;
use warnings;
use PostgreSQL::Test::Utils;
use StrataTest;
use Test::More;

my $node = strata_node('main', settings => "fsync = on\nfull_page_writes = on\nstrata.max_workers = 0\n");
my $file = PostgreSQL::Test::Utils::tempdir . '/rows.fvecs';
make_table($node, 'items', rows => 3000, dim => 16);
sql($node, "SELECT strata.export_file('SELECT v FROM items ORDER BY id', '$file')");
sql($node, <<'SQL');
CREATE TABLE target (id int PRIMARY KEY, v vector(16), CHECK (id < 5000 OR pg_sleep(0.05) IS NOT NULL));
CREATE INDEX target_v ON target USING ivf (v);
INSERT INTO target SELECT -id, v FROM items WHERE id <= 300;
SQL

sub import_at
{
    my ($first_id, $point) = @_;
    my $stop = defined $point ? "LOAD 'strata'; SET strata.debug_wait_at = '$point';" : '';
    return start_in_background($node,
        "$stop SELECT strata.import_file('target', '$file', id_column => 'id', first_id => $first_id)");
}

my $waiting = q{FROM pg_locks WHERE locktype = 'advisory' AND objid = 5354 AND NOT granted};
my $unfinished = q{SELECT count(*) FROM strata.segments WHERE index = 'target_v'::regclass AND state = 'building'};

foreach my $point ('collect', 'build', 'write')
{
    foreach my $way ('kill -9', 'cancel')
    {
        my $name = "$way, $point";
        next if $name eq 'kill -9, build';    # nothing has been written yet
        my $holder = hold_lock($node);
        my $import = $point eq 'collect' ? import_at(4000) : import_at(0, $point);
        if ($point eq 'collect')
        {
            wait_until($node, 'SELECT coalesce(max(tuples_processed), 0) > 1000 FROM pg_stat_progress_copy', 't',
                "$name: the import is at it");
        }
        else
        {
            wait_until($node, "SELECT count(*) $waiting", '1', "$name: the import is there");
            is(sql($node, q{SELECT task FROM strata.progress WHERE index = 'target_v'::regclass}), 'seal',
                "$name: and says so");
            is(sql($node, $unfinished), $point eq 'write' ? '1' : '0', "$name: a segment is unfinished or not begun");
        }
        if ($way eq 'cancel')
        {
            sql($node, q{SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE query LIKE '%import_file%'
                         AND pid <> pg_backend_pid()});
            $import->finish;
            let_go($node, $holder);
        }
        else
        {
            crash_and_restart($node);
            $_->kill_kill foreach ($import, $holder);
        }
        is(sql($node, 'SELECT count(*) FROM target'), '300', "$name: no row of the file is in the table");
        verify_index($node, 'target_v', "$name: the index is sound");
        sql($node, 'VACUUM target');
        sql($node, "SELECT strata.flush('target_v')");
        is(sql($node, $unfinished), '0', "$name: the unfinished segment is gone");
        verify_index($node, 'target_v', "$name: and the index still sound");
    }
}

# While rows wait and while they are written others insert, delete, search and clean up.
foreach my $point ('build', 'write')
{
    my $first = $point eq 'build' ? -10000 : -20000;
    my $holder = hold_lock($node);
    my $import = import_at($first, $point);
    wait_until($node, "SELECT count(*) $waiting", '1', "$point: the import waits");
    my $other = $first - 500;
    sql($node, "INSERT INTO target SELECT $other - id, v FROM items WHERE id <= 200");
    sql($node, "DELETE FROM target WHERE id BETWEEN $other - 100 AND $other");
    sql($node, 'VACUUM target');
    cmp_ok(recall($node, table => 'target'), '>=', 0.95, "$point: searches find what is there");
    let_go($node, $holder);
    $import->finish;
    is(sql($node, "SELECT count(*) FROM target WHERE id BETWEEN $first AND $first + 2999"),
        '3000', "$point: all rows came");
    verify_index($node, 'target_v', "$point: and are in the index");
    cmp_ok(recall($node, table => 'target'), '>=', 0.95, "$point: searches find them");
}
is(sql($node, q{SELECT count(*) FROM strata.segments WHERE index = 'target_v'::regclass AND kind = 'segment'
                AND rows = 3000 AND state = 'sealed'}), '2', 'as a segment each time');

# A trigger that searches in a subtransaction makes the rows be written, there; when that fails, so does the import.
sql($node, <<'SQL');
CREATE FUNCTION look() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM id FROM target ORDER BY v <-> (SELECT v FROM items WHERE id = 1) LIMIT 1;
  RETURN NULL;
EXCEPTION WHEN lock_not_available THEN
  RETURN NULL;
END $$;
CREATE TRIGGER look AFTER INSERT ON target FOR EACH STATEMENT EXECUTE FUNCTION look();
SQL
my $before = sql($node, 'SELECT count(*) FROM target');
my $holder = hold_lock($node);
foreach my $point ('build', 'write')
{
    my ($status, $out, $err) = $node->psql('postgres', <<"SQL");
LOAD 'strata'; SET strata.debug_wait_at = '$point'; SET lock_timeout = '200ms';
SELECT strata.import_file('target', '$file', id_column => 'id', first_id => -30000);
SQL
    like($err, qr/rows of the import could not be written to an index/, "$point: the import does not pass over it");
    is(sql($node, 'SELECT count(*) FROM target'), $before, "$point: and leaves no row");
    sql($node, 'VACUUM target');
    verify_index($node, 'target_v', "$point: the index is sound");
}
let_go($node, $holder);
sql($node, "SELECT strata.import_file('target', '$file', id_column => 'id', first_id => -30000)");
is(sql($node, 'SELECT count(*) FROM target'), $before + 3000, 'without the error the rows come');
verify_index($node, 'target_v');

done_testing();
