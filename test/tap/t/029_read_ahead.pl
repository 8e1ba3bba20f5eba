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

# Lists that lie on two pages, and rows of cold segments: asked for as well, and counted. All segments are cold.
sql($node, q{SELECT strata.set_cold_tablespace('items_v', 'pg_default');
  SELECT strata.set_segment_tier('items_v', id, 'cold') FROM strata.segments
  WHERE index = 'items_v'::regclass AND state = 'indexed'});
my @cold_in_memory = search_twice('SET strata.probes = 300;');
$node->restart;
my @all_lists = search_twice('SET strata.probes = 300;');
cmp_ok($all_lists[1], '>', $from_disk[1], 'more lists, more pages asked for');
is($all_lists[3], 0, 'none once they are in memory');
is($all_lists[0], $cold_in_memory[0], 'the same rows are found in more lists');
$node->restart;
my @cold_switched_off = search_twice('SET effective_io_concurrency = 0; SET strata.probes = 300;');
is($cold_switched_off[1], 0, 'effective_io_concurrency = 0 goes for cold segments, too');
is($cold_switched_off[0], $cold_in_memory[0], 'the same rows of them are found then');

done_testing();
