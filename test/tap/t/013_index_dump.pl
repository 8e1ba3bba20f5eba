# pg_dump and restore of ivf indexes: definitions and options come back, and the index with all rows.
use strict;
use warnings;
use PostgreSQL::Test::Utils;
use StrataTest;
use Test::More;

my $node = strata_node('main', settings => "strata.auto_flush_interval = 0\n");
make_table($node, 'items', rows => 3000, dim => 24);
sql($node, <<'SQL');
ALTER TABLE items ADD h halfvec(24);
UPDATE items SET h = v::halfvec;
CREATE INDEX items_l2 ON items USING ivf (v) WITH (segment_size = 64, insert_buffer = 8, compact_threshold = 0.2);
CREATE INDEX items_cosine ON items USING ivf (v vector_cosine_ops) WHERE id % 2 = 0;
CREATE INDEX items_half ON items USING ivf (h halfvec_ip_ops);
CREATE INDEX items_cast ON items USING ivf ((v::halfvec(24)) halfvec_l2_ops);
SQL
copy_database($node, 'copy');
my $definitions = q{SELECT pg_get_indexdef(indexrelid) FROM pg_index WHERE indrelid = 'items'::regclass ORDER BY 1};
is(sql($node, $definitions, 'copy'), sql($node, $definitions), 'definitions');
foreach my $index ('items_l2', 'items_cosine', 'items_half', 'items_cast')
{
    is(sql($node, "SELECT rows, heap_rows FROM strata.verify('$index', true)", 'copy'),
        sql($node, "SELECT rows, heap_rows FROM strata.verify('$index', true)"), "$index verifies");
}
my $query = 'SET enable_seqscan = off; SELECT id FROM items ORDER BY v <-> test_vector(5, 24) LIMIT 20';
is(sql($node, $query, 'copy'), sql($node, $query), 'nearest rows');

# The extension can be dropped and made again, with all that hangs on it.
sql($node, 'DROP EXTENSION strata CASCADE; CREATE EXTENSION strata', 'copy');
is(sql($node, "SELECT count(*) FROM pg_class JOIN pg_am a ON a.oid = relam WHERE amname = 'ivf'", 'copy'), '0',
    'no index is left without its access method');

done_testing();
