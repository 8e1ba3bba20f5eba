# Rows of the vector types on a streaming standby, and through logical replication in binary.
use strict;
use warnings;
use PostgreSQL::Test::Utils;
use StrataTest;
use Test::More;

my $primary = strata_node('primary', streaming => 1);
make_table($primary, 'items', rows => 500, dim => 40);
my $standby = standby_of($primary, 'standby');

my $content = 'SELECT * FROM items ORDER BY v, id';
same_result($primary, $standby, $content, 'rows of the base backup');

# Binary COPY on the primary, an index whose pages are checked on replay, changes of every kind.
my $file = $primary->basedir . '/items.binary';
sql($primary, <<"SQL");
COPY items TO '$file' (FORMAT binary);
CREATE INDEX items_v ON items (v);
CREATE TABLE again (id bigint PRIMARY KEY, v vector(40), h halfvec(40));
COPY again (id, v) FROM '$file' (FORMAT binary);
UPDATE again SET h = v::halfvec;
DELETE FROM items WHERE id % 7 = 0;
UPDATE items SET v = v + v WHERE id % 5 = 0;
VACUUM items;
SQL
$primary->wait_for_catchup($standby);
same_result($primary, $standby, $content, 'rows after COPY, UPDATE and DELETE');
same_result($primary, $standby, 'SELECT * FROM again ORDER BY id', 'rows of a binary COPY, and a cast');
same_result($primary, $standby, 'SELECT avg(v), sum(h) FROM again', 'aggregates');
same_result($primary, $standby, 'SELECT id FROM items ORDER BY v <-> (SELECT v FROM items WHERE id = 3), id LIMIT 20',
    'nearest rows');
is(sql($standby, "SET enable_seqscan = off; SELECT count(*) FROM items WHERE v = (SELECT v FROM items WHERE id = 3)"),
    '1', 'btree on the standby');

# A subscriber gets each value through the types' binary output and input.
my $subscriber = strata_node('subscriber');
sql($subscriber, 'CREATE TABLE items (id bigint PRIMARY KEY, v vector(40))');
sql($primary, 'CREATE PUBLICATION everything FOR TABLE items');
my $connection = $primary->connstr . ' dbname=postgres';
sql($subscriber, "CREATE SUBSCRIPTION one CONNECTION '$connection' PUBLICATION everything WITH (binary = true)");
$subscriber->wait_for_subscription_sync($primary, 'one');
sql($primary, 'INSERT INTO items SELECT id + 1000, v - v FROM items WHERE id < 100');
sql($primary, 'UPDATE items SET v = l2_normalize(v) WHERE id BETWEEN 200 AND 300');
$primary->wait_for_catchup('one');
same_result($primary, $subscriber, $content, 'rows of the subscriber');

# The standby takes over.
$standby->promote;
add_rows($standby, 'items', 5000, 5100, 40);
is(sql($standby, 'SELECT count(*) FROM items WHERE id >= 5000'), '101', 'inserts after promotion');

done_testing();
