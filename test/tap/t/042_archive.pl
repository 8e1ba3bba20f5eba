# kill -9 in the middle of an archive and of a restore: there is no archive and no table, or all of it; what is restored
# is byte for byte what was archived, in another server, too.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use StrataTest;
use Test::More;
use Time::HiRes qw(usleep);

my $node = strata_node('main', settings => "fsync = on\nfull_page_writes = on\n");
my $directory = PostgreSQL::Test::Utils::tempdir;
make_table($node, 'items', rows => 2000, dim => 16);
sql($node, <<'SQL');
ALTER TABLE items ADD note text;
UPDATE items SET note = repeat(md5(id::text), 100) WHERE id % 10 = 0;
CREATE INDEX items_v ON items USING ivf (v vector_cosine_ops);
CREATE VIEW slow AS SELECT i.* FROM (SELECT * FROM items ORDER BY id) AS i,
  LATERAL (SELECT pg_sleep(0.005 * (i.id IS NOT NULL)::int)) AS s;
SQL

# What COPY makes of all rows in order, which is the same for the same rows only.
sub checksum
{
    my ($server, $table) = @_;
    my $file = "$directory/checksum";
    sql($server, "COPY (SELECT * FROM $table ORDER BY id) TO '$file' (FORMAT binary)");
    return sql($server, "SELECT md5(pg_read_binary_file('$file'))");
}

my $archive = "SELECT strata.archive_table('slow', '$directory', 'items', key => '{id}', chunk_size => 20000)";
foreach my $way ('cancel', 'kill -9')
{
    my $session = start_in_background($node, $archive);
    # A chunk is there: it is in the middle.
    my $waited = 0;
    usleep(5000) while !-e "$directory/items.partial/rows-000002.copy" && $waited++ < 20000;
    ok(-e "$directory/items.partial/rows-000002.copy" && !-e "$directory/items", "$way: under a temporary name");
    my ($status, undef, $error) = $node->psql('postgres', "SELECT strata.archive_table('items', '$directory')");
    like($error, qr/is being written by another session/, "$way: a second writer is refused");
    if ($way eq 'kill -9') { crash_and_restart($node); }
    else
    {
        sql($node, q{SELECT pg_cancel_backend(pid) FROM pg_stat_activity
                     WHERE query LIKE '%''slow''%' AND pid <> pg_backend_pid()});
    }
    $session->finish;
    ok(!-e "$directory/items", "$way: there is no archive");
    ok(!-e "$directory/items.partial", "$way: nor a part of it") if $way eq 'cancel';
}
is(sql($node, "SELECT strata.archive_table('items', '$directory', chunk_size => 20000)"), '2000', 'the next one is');
ok(!-e "$directory/items.partial", 'and takes the place of what was left');
is(sql($node, "SELECT strata.verify_archive('$directory/items')"), '2000', 'verified');

# A restore that is killed.
sql($node, <<'SQL');
CREATE FUNCTION slowly() RETURNS event_trigger LANGUAGE plpgsql AS $$
BEGIN
  -- Between the rows and the primary key.
  IF tg_tag = 'ALTER TABLE' THEN PERFORM pg_sleep(60); END IF;
END $$;
CREATE EVENT TRIGGER slowly ON ddl_command_start EXECUTE FUNCTION slowly();
SQL
my $restore = "SELECT strata.restore_archive('$directory/items', 'public.restored')";
my $session = start_in_background($node, $restore);
wait_until($node, q{SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'}, '1', 'a restore is at it');
crash_and_restart($node);
$session->finish;
is(sql($node, q{SELECT to_regclass('restored') IS NULL}), 't', 'there is no table');
sql($node, 'DROP EVENT TRIGGER slowly');
is(sql($node, $restore), '2000', 'the next restore brings it back');
is(checksum($node, 'restored'), checksum($node, 'items'), 'byte for byte');
verify_index($node, 'restored_v_idx');
is(sql($node, q{SELECT indisprimary FROM pg_index WHERE indrelid = 'restored'::regclass AND indisunique}),
    't', 'with its key');

# In another server, after the table is gone.
my $expected = checksum($node, 'items');
sql($node, 'DROP TABLE items CASCADE');
my $other = strata_node('other');
is(sql($other, $restore), '2000', 'another server restores it');
is(checksum($other, 'restored'), $expected, 'byte for byte, there, too');
is(sql($other, "SELECT row->>'id' FROM strata.archive_lookup('$directory', '1234')"),
    '1234', 'and finds a row by its key');

done_testing();
