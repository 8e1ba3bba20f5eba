# Everything at once on an index with lists: sessions insert, delete, update, roll back, search, vacuum, seal, merge and
# retrain. The id of a row is encoded in its vector, so an entry that leads to another row than the one it was made for
# shows; no query may return a row twice, out of order, or fewer rows than there are.
use strict;
use warnings;
use EncodedRows;
use PostgreSQL::Test::Utils;
use StrataTest;
use Test::More;

my $node = strata_node('main', settings => "strata.auto_flush_interval = '50ms'\nclient_min_messages = warning\n");
make_encoded_items(
    $node,
    rows => 22000,
    period => 1000,
    options => 'min_seal_rows = 200, segment_size = 1',
    searched => 30);
run_encoded_items(
    $node,
    'sessions work side by side',
    clients => 6,
    duration => '--transactions=400',
    id_max => 100000,
    least => 30,
    scripts => {
        insert => 20, delete => 8, new_place => 5, rollback => 5, search => 20, vacuum => 2, flush => 2, merge => 2,
        compact => 1, retrain => 1,
    });
check_encoded_items($node);

done_testing();
