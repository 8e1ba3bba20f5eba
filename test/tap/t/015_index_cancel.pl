# Cancelled at any point, a build leaves no index, and maintenance leaves one that is whole and goes on; while an index
# is built, it says how far it is.
use strict;
use warnings;
use PostgreSQL::Test::Utils;
use StrataTest;
use Test::More;
use Time::HiRes qw(usleep);

my $node = strata_node('main', settings => "strata.auto_flush_interval = 0\nmaintenance_work_mem = '64MB'\n");
make_table($node, 'items', dim => 32);
# Quicker than make_table's rows, and enough for a codebook.
sql($node, <<'SQL');
INSERT INTO items SELECT i, (SELECT array_agg(sin(i * d)::real) FROM generate_series(1, 32) d)::vector
FROM generate_series(1, 40000) i;
SQL

# Progress is looked at until the build ends.
my $build = start_in_background($node, 'CREATE INDEX items_v ON items USING ivf (v)');
my %phases;
while ($build->pumpable)
{
    my $phase = sql($node, 'SELECT phase FROM pg_stat_progress_create_index');
    $phases{$phase} = 1 if $phase;
    $build->pump_nb;
    usleep(5000);
}
$build->finish;
my @seen = grep { /sampling|training|scanning|sorting|writing|calibrating/ } keys %phases;
cmp_ok(scalar(@seen), '>=', 2, 'phases of a build are shown: ' . join(', ', sort @seen));
my $build_ms = 0;
{
    my $start = Time::HiRes::time();
    sql($node, 'REINDEX INDEX items_v');
    $build_ms = 1000 * (Time::HiRes::time() - $start);
}
sql($node, 'DROP INDEX items_v');

# Twelve points spread over the time that a build takes.
my ($cancelled, $finished) = (0, 0);
foreach my $step (1 .. 12)
{
    my $limit_ms = int($build_ms * $step / 12) + 1;
    my $create = 'CREATE INDEX items_v ON items USING ivf (v)';
    my ($status, $out, $err) = $node->psql('postgres', "SET statement_timeout = $limit_ms; $create");
    if ($status == 0)
    {
        $finished++;
        verify_index($node, 'items_v', "step $step: built in time");
        sql($node, 'DROP INDEX items_v');
        next;
    }
    $cancelled++;
    like($err, qr/canceling statement due to statement timeout/, "step $step: cancelled after $limit_ms ms");
    is(sql($node, q{SELECT count(*) FROM pg_class WHERE relname = 'items_v'}), '0', "step $step: no index is left");
}
cmp_ok($cancelled, '>=', 3, "$cancelled builds were cancelled");

# Maintenance: what was published stays, the rest is garbage that the next one sweeps.
sql($node, 'CREATE INDEX items_v ON items USING ivf (v)');
$cancelled = 0;
foreach my $step (1 .. 12)
{
    my $first = 100000 + $step * 2000;
    sql($node, <<"SQL");
INSERT INTO items SELECT i, (SELECT array_agg(cos(i * d)::real) FROM generate_series(1, 32) d)::vector
FROM generate_series($first, $first + 1999) i;
SQL
    my $limit_ms = 5 * $step;
    my @kinds = ("SELECT strata.flush('items_v')", "CALL strata.merge('items_v')", "CALL strata.retrain('items_v')");
    my $work = $kinds[ $step % 3 ];
    my ($status, $out, $err) = $node->psql('postgres', "SET statement_timeout = $limit_ms; $work");
    $cancelled++ if $status != 0;
    verify_index($node, 'items_v', "step $step: the index is whole after: $work");
}
cmp_ok($cancelled, '>=', 1, "$cancelled steps of maintenance were cancelled");
sql($node, "SELECT strata.flush('items_v')");
sql($node, "CALL strata.merge('items_v')");
my $half_done =
  q{SELECT count(*) FROM strata.segments WHERE index = 'items_v'::regclass AND state IN ('building', 'sealing')};
is(sql($node, $half_done), '0', 'nothing is left half done');
is(sql($node, q{SELECT rows = heap_rows FROM strata.verify('items_v', true)}), 't', 'every row is indexed once');

done_testing();
