# A search that has to wait for the disk asks for pages ahead of reading them, one whose pages are in memory does not;
# effective_io_concurrency = 0 turns it off. What is found is the same.
use strict;
use warnings;
use StrataTest;
use Test::More;

my $node = strata_node('main');
make_table($node, 'items', rows => 30000, dim => 24);
sql($node, "SET maintenance_work_mem = '64MB'; CREATE INDEX items_v ON items USING ivf (v); VACUUM ANALYZE items");

# The answer, and how many pages were asked for, of the same search twice in one session.
sub search_twice
{
    my ($settings) = @_;
    my $search = q(SELECT string_agg(id::text, ' ') FROM
      (SELECT id FROM items ORDER BY v <-> test_vector(77, 24) LIMIT 20) AS nearest);
    my $asked = 'SELECT prefetched FROM strata.last_scan()';
    return split /\n/, sql($node, "SET enable_seqscan = off; $settings $search; $asked; $search; $asked");
}

my @in_memory = search_twice('');
is($in_memory[1], 0, 'nothing is asked for ahead while all is in memory');

$node->restart;
my @from_disk = search_twice('');
cmp_ok($from_disk[1], '>', 0, 'pages are asked for ahead after a restart');
is($from_disk[3], 0, 'not any more once they are in memory');
is($from_disk[0], $in_memory[0], 'the same rows are found');

$node->restart;
my @switched_off = search_twice('SET effective_io_concurrency = 0;');
is($switched_off[1], 0, 'effective_io_concurrency = 0 turns it off');
is($switched_off[0], $in_memory[0], 'the same rows are found then');

done_testing();
