# The program strata-file: every format there and back, what is refused, and an import that is killed again and again
# and still brings each row exactly once.
use strict;
use warnings;
use PostgreSQL::Test::Utils;
use StrataTest;
use Test::More;
use Time::HiRes qw(usleep);

my $node = strata_node('main');
my $directory = PostgreSQL::Test::Utils::tempdir;
make_table($node, 'items', rows => 3000, dim => 16);
sql($node, <<'SQL');
CREATE ROLE loader LOGIN;
CREATE TABLE target (id int PRIMARY KEY, v vector(16), note text DEFAULT 'new');
CREATE TABLE halves (id bigint, h halfvec(16));
CREATE TABLE numbers (n int[], r real[]);
CREATE TABLE indexed (v vector(16));
CREATE INDEX indexed_v ON indexed USING ivf (v);
GRANT SELECT ON items TO loader;
GRANT INSERT ON indexed TO loader;
GRANT ALL ON target, halves, numbers TO loader;
SQL
my @connection = ('-h', $node->host, '-p', $node->port, '-d', 'postgres', '-U', 'loader');

# Exit status, standard output, standard error.
sub client
{
    my @words = @_;
    my ($out, $err) = ('', '');
    IPC::Run::run(['strata-file', @connection, @words], '<', \undef, '>', \$out, '2>', \$err);
    return ($? >> 8, $out, $err);
}

sub client_ok
{
    my ($expected, @words) = @_;
    my ($status, $out, $err) = client(@words);
    is("$status $out", "0 $expected\n", join(' ', @words[ 0, 1 ])) or diag($err);
    return;
}

sub client_fails
{
    my ($wanted, $pattern, @words) = @_;
    my ($status, $out, $err) = client(@words);
    is($status, $wanted, "exit status $wanted: $pattern");
    like($err, $pattern, "message: $pattern");
    return;
}

# An ordinary role, with none of the server's files.
foreach my $ending ('fvecs', 'npy', 'hdf5')
{
    my $file = "$directory/items.$ending";
    client_ok('3000 rows exported', 'export', 'SELECT v FROM items ORDER BY id', $file);
    ok(-e $file && !-e "$file.partial", "$ending: under its name");
    sql($node, 'TRUNCATE target, halves');
    client_ok('3000 rows imported', 'import', $file, 'target', '--id-column', 'id', '--first-id=1');
    is(sql($node, 'SELECT count(*) FROM items JOIN target USING (id, v) WHERE note = \'new\''),
        '3000', "$ending: every row is the same");
    client_ok('3000 rows imported', 'import', $file, 'halves', '--id-column', 'id', '--first-id=1');
    is(sql($node, 'SELECT count(*) FROM items i JOIN halves USING (id) WHERE h = i.v::halfvec(16)'),
        '3000', "$ending: every halfvec, too");
}
client_ok('3000 rows imported', 'import', "$directory/items.fvecs", 'indexed');
is(sql($node, q{SELECT state, rows FROM strata.segments WHERE index = 'indexed_v'::regclass
                AND kind IN ('segment', 'growing')}), 'sealed|3000', 'rows go straight into a segment');
verify_index($node, 'indexed_v');
client_ok('3000 rows exported', 'export', 'halves', "$directory/halves.npy");
client_ok('10 rows imported', 'import', "$directory/halves.npy", 'target', '--skip-rows=5', '--max-rows=10',
    '--id-column=id', '--first-id=100000');
is(sql($node, 'SELECT min(id), max(id) FROM target WHERE id >= 100000'), '100005|100014', 'a part of the file');

# A benchmark file: train, test, neighbors, distances.
my $bench = "$directory/bench.hdf5";
client_ok('3000 rows exported', 'export', 'items', $bench, '--distance', 'euclidean');
client_ok('5 rows exported', 'export', 'SELECT v FROM items WHERE id <= 5 ORDER BY id',
    $bench, '--dataset', 'test', '--append');
client_ok('5 rows exported', 'export', 'SELECT ARRAY[i, 2147483647 - i, -i] FROM generate_series(1, 5) i',
    $bench, '--dataset', 'neighbors', '--append');
client_ok('5 rows exported', 'export', 'SELECT ARRAY[i, 0.5]::real[] FROM generate_series(1, 5) i',
    $bench, '--dataset', 'distances', '--append');
client_ok('5 rows imported', 'import', $bench, 'numbers', '--dataset', 'neighbors', '--column', 'n');
client_ok('5 rows imported', 'import', $bench, 'numbers', '--dataset', 'distances', '--column', 'r');
is( sql($node,
        q{SELECT string_agg(concat(n, r), ' ' ORDER BY coalesce(n[1], r[1]), n) FROM numbers
          WHERE coalesce(n[1], r[1]) < 3}),
    '{1,2147483646,-1} {1,0.5} {2,2147483645,-2} {2,0.5}', 'whole numbers are exact');
client_fails(1, qr/has a dataset "test" already/, 'export', 'items', $bench, '--dataset', 'test', '--append');
client_fails(1, qr/numbers with fractions/, 'import', $bench, 'numbers', '--dataset', 'distances', '--column', 'n');
client_ok('5 rows exported', 'export', 'SELECT n FROM numbers WHERE n IS NOT NULL', "$directory/n.ivecs");

# What is refused leaves nothing.
my $fvecs = "$directory/items.fvecs";
sub write_file
{
    my ($name, $bytes) = @_;
    open(my $file, '>:raw', "$directory/$name") or die;
    print $file $bytes;
    close($file);
    return "$directory/$name";
}
my $good = pack('l<f<16', 16, 1 .. 16);
my $nan = pack('l<', 16) . pack('L<', 0x7fc00000) . pack('f<15', 1 .. 15);
sql($node, 'TRUNCATE target');
client_fails(1, qr/row 1 at byte 72: element 0 is NaN/,
    'import', write_file('nan.fvecs', $good . $nan . $good), 'target', '--id-column=id');
client_fails(1, qr/row 1 at byte 68: the file ends after 30 of its 68 bytes/,
    'import', write_file('cut.fvecs', $good . substr($good, 0, 30)), 'target', '--id-column=id');
client_fails(1, qr/cannot be read|as HDF5/,
    'import', write_file('cut.hdf5', substr(slurp_file($bench), 0, 20000)), 'target');
client_fails(1, qr/16 dimensions, expected 3/, 'import', $fvecs, 'numbers', '--column=r', '--dimensions=3');
client_fails(1, qr/exists already/, 'export', 'items', $fvecs);
client_fails(1, qr/permission denied/, 'import', $fvecs, 'items', '--id-column=id');
client_fails(1, qr/does not exist/, 'import', $fvecs, 'absent');
client_fails(1, qr/several columns/, 'import', $fvecs, 'numbers');
client_fails(1, qr/division by zero/, 'export', 'SELECT v FROM items WHERE 1 / (id - 2500) < 2', "$directory/no.npy");
ok(!-e "$directory/no.npy" && !-e "$directory/no.npy.partial", 'nothing is left of a failed export');
client_fails(2, qr/unknown option --frobnicate/, 'import', $fvecs, 'target', '--frobnicate');
client_fails(2, qr/unknown format "csv"/, 'export', 'items', "$directory/a.csv");
is(sql($node, 'SELECT count(*) FROM target'), '0', 'nor of failed imports');
my ($status, $out, $err) = client('import', "$directory/nan.fvecs", 'target', '--id-column=id', '--on-error=skip');
is("$status $out", "0 2 rows imported, 1 skipped\n", 'bad rows may be skipped');
like($err, qr/skipping a row .* row 1 at byte 72: element 0 is NaN/, 'and are told');
like((client('--help'))[1], qr/Examples:/, 'help');

# Killed again and again, at any point: batches of 50 rows, and each row arrives exactly once.
sql($node, 'TRUNCATE target');
my @import = ('import', $fvecs, 'target', '--id-column', 'id', '--resume', '--batch=50');
sql($node, <<'SQL');
CREATE FUNCTION slowly() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(0.001); RETURN NEW; END';
CREATE TRIGGER slowly BEFORE INSERT ON target FOR EACH ROW EXECUTE FUNCTION slowly();
SQL
my $kills = 0;
foreach my $round (1 .. 6)
{
    my ($run_out, $run_err) = ('', '');
    my $run = IPC::Run::start(['strata-file', @connection, @import], '<', \undef, '>', \$run_out, '2>', \$run_err);
    usleep(100000 + 61000 * $round);    # a whole import sleeps for three seconds
    $run->pump_nb;
    $kills++ if $run->pumpable;
    $run->kill_kill(grace => 0);
}
cmp_ok($kills, '>=', 1, "killed $kills times");
wait_until($node, q{SELECT count(*) FROM pg_stat_activity WHERE application_name = 'strata-file'}, '0', 'all are gone');
my $marked = q{SELECT rows_done FROM strata.import_mark WHERE relation = 'target'::regclass};
is(sql($node, $marked), sql($node, 'SELECT count(*) FROM target'), 'the mark is where the rows are');
($status, $out, $err) = client(@import);
is($status, 0, 'the last run ends') or diag($err);
sql($node, 'DROP TRIGGER slowly ON target');
is(sql($node, 'SELECT count(*) FROM target t JOIN items i ON i.id = t.id + 1 AND i.v = t.v'),
    '3000', 'every row is there');
is(sql($node, 'SELECT count(*), count(DISTINCT id) FROM target'), '3000|3000', 'once');
client_ok('all 3000 rows of this import are in the table already; --restart imports them again', @import);
client_fails(1, qr/duplicate key/, @import, '--restart');
is(sql($node, 'SET ROLE loader; SELECT count(*) FROM strata.import_mark'), '1', 'a role sees its marks');
is(sql($node, 'CREATE ROLE other; SET ROLE other; SELECT count(*) FROM strata.import_mark'),
    '0', 'and nobody else\'s');

# An interrupt undoes a whole import, and says so.
sql($node, <<'SQL');
TRUNCATE target;
CREATE TRIGGER slowly BEFORE INSERT ON target FOR EACH ROW EXECUTE FUNCTION slowly();
SQL
my $large = write_file('large.fvecs', $good x 40000);
my ($slow_out, $slow_err) = ('', '');
my $slow = IPC::Run::start(['strata-file', @connection, 'import', $large, 'target', '--id-column=id'],
    '<', \undef, '>', \$slow_out, '2>', \$slow_err);
wait_until($node, 'SELECT coalesce(max(tuples_processed), 0) > 20 FROM pg_stat_progress_copy',
    't', 'an import is at it');
$slow->signal('INT');
sql($node, q{SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'strata-file'});
$slow->finish;
isnt($slow->full_result(0), 0, 'it fails');
is(sql($node, 'SELECT count(*) FROM target'), '0', 'and leaves nothing');

done_testing();
