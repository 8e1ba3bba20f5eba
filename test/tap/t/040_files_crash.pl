# kill -9 and cancel in the middle of an import and of an export: the table has all rows of the file or none, the file
# is there whole or not at all, and the next attempt is not in the way of what was left behind.
use strict;
use warnings;
use PostgreSQL::Test::Utils;
use StrataTest;
use Test::More;

my $node = strata_node('main', settings => "fsync = on\nfull_page_writes = on\n");
my $directory = PostgreSQL::Test::Utils::tempdir;
my $file = "$directory/rows.fvecs";
make_table($node, 'items', rows => 2000, dim => 16);
sql($node, "SELECT strata.export_file('SELECT v FROM items ORDER BY id', '$file')");
sql($node, <<'SQL');
CREATE TABLE target (id int PRIMARY KEY, v vector(16));
CREATE INDEX target_v ON target USING ivf (v) WITH (min_seal_rows = 100);
INSERT INTO target SELECT -id, v FROM items WHERE id <= 300;
CREATE FUNCTION slowly() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  -- Volatile, so that rows are inserted one by one.
  IF NEW.id > 1000 THEN PERFORM pg_sleep(0.05); END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER slowly BEFORE INSERT ON target FOR EACH ROW EXECUTE FUNCTION slowly();
SQL

my $import = "SELECT strata.import_file('target', '$file', id_column => 'id')";
foreach my $way ('kill -9', 'cancel')
{
    my $session = start_in_background($node, $import);
    wait_until($node, 'SELECT coalesce(max(tuples_processed), 0) > 1000 FROM pg_stat_progress_copy',
        't', "$way: the import is at it");
    is(sql($node, 'SELECT bytes_total > bytes_processed FROM pg_stat_progress_copy'),
        't', "$way: and says how far it is");
    if ($way eq 'cancel')
    {
        sql($node, 'SELECT pg_cancel_backend(pid) FROM pg_stat_progress_copy');
    }
    else
    {
        crash_and_restart($node);
    }
    $session->finish;
    is(sql($node, 'SELECT count(*) FROM target'), '300', "$way: no row of the file is in the table");
    verify_index($node, 'target_v', "$way: the index is sound");
}
sql($node, 'DROP TRIGGER slowly ON target');
sql($node, $import);
is(sql($node, 'SELECT count(*) FROM target t JOIN items i ON i.id = t.id + 1 AND i.v = t.v'),
    '2000', 'the next import brings every row');
sql($node, "SELECT strata.flush('target_v')");
verify_index($node, 'target_v');

# The export has written a part, and the buffer is flushed every 256 kB: rows of 64 bytes.
my $out = "$directory/out.npy";
my $rows = 'SELECT v FROM items, generate_series(1, 5) ORDER BY id';
my $slow = "SELECT v FROM ($rows) AS r, LATERAL (SELECT pg_sleep(0.001 * (v IS NOT NULL)::int)) AS s";
foreach my $way ('kill -9', 'cancel', 'terminate')
{
    my $session = start_in_background($node, "SELECT strata.export_file('$slow', '$out')");
    wait_until($node, 'SELECT coalesce(max(tuples_processed), 0) > 500 FROM pg_stat_progress_copy',
        't', "$way: the export is at it");
    ok(-e "$out.partial" && !-e $out, "$way: under a temporary name");
    my ($status, undef, $error) = $node->psql('postgres', "SELECT strata.export_file('$rows', '$out')");
    like($error, qr/is being written by another session/, "$way: a second writer is refused");
    my $function = $way eq 'cancel' ? 'pg_cancel_backend' : 'pg_terminate_backend';
    if ($way eq 'kill -9') { crash_and_restart($node); }
    else { sql($node, "SELECT $function(pid) FROM pg_stat_progress_copy"); }
    $session->finish;
    wait_until($node, 'SELECT count(*) FROM pg_stat_progress_copy', '0', "$way: the export is over");
    ok(!-e $out, "$way: there is no file");
    ok(!-e "$out.partial", "$way: nor a part of it") unless $way eq 'kill -9';
}
sql($node, "SELECT strata.export_file('$rows', '$out')");
ok(-e $out && !-e "$out.partial", 'the next export replaces what was left');
is(-s $out, 128 + 10000 * 64, 'and is whole');
sql($node, "SELECT strata.import_file('items', '$out', id_column => 'id', first_id => 1000000)");
is(sql($node, 'SELECT count(*) FROM items t JOIN items i ON t.id = 1000000 + (i.id - 1) * 5 AND i.v = t.v'),
    '2000', 'what was exported is what is imported');

done_testing();
