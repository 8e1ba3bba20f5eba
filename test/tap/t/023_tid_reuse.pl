# No entry ever leads to a row it was not made for. Every row's id is encoded in its vector; sessions insert, update,
# delete, roll back, vacuum, seal, merge, compact and retrain at random, workers do the same, so that the places of dead
# rows are taken by others all the time. Whatever is searched meanwhile: a row has its own vector, comes once, in order,
# and a scan to the end returns what its snapshot sees in the table, no more, no less.
#
# Two minutes, or STRATA_REUSE_SECONDS; test/soak/tid_reuse runs it alone, for an hour.
use strict;
use warnings;
use EncodedRows;
use PostgreSQL::Test::Utils;
use StrataTest;
use Test::More;

my $seconds = $ENV{STRATA_REUSE_SECONDS} // 120;
my $clients = $ENV{STRATA_REUSE_CLIENTS} // 6;
my $node = strata_node('main',
    settings => "strata.auto_flush_interval = '20ms'\nclient_min_messages = warning\nstatement_timeout = '120s'\n");
make_encoded_items(
    $node,
    rows => 3000,
    period => 100,
    storage => 'fillfactor = 50',
    options => 'min_seal_rows = 100, segment_size = 1, compact_threshold = 0.05',
    searched => 40);

# pgbench ends by a time limit of its own; in parts, so that an hour is none.
my $part_seconds = 120;
for (my $left = $seconds; $left > 0; $left -= $part_seconds)
{
    my $now = $left < $part_seconds ? $left : $part_seconds;
    run_encoded_items(
        $node, "$now seconds of everything at once",
        clients => $clients,
        duration => "--time=$now",
        id_max => 20000,
        scripts => {
            insert => 20, delete => 10, become_another => 8, rollback => 5, search => 20, compare => 5, vacuum => 6,
            vacuum_index => 2, flush => 3, merge => 3, compact => 3, retrain => 1,
        });
    check_encoded_items($node);
}
cmp_ok(sql($node, "SELECT merged_rows FROM strata.stat_index WHERE index = 'items_v'::regclass"), '>', 0,
    'rows were merged meanwhile');

done_testing();
