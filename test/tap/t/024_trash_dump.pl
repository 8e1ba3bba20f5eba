# The trash survives dump and restore: what was dropped softly can be brought back in the copy, by its owner too who is
# no superuser. Without the extension the tables stay where they are.
use strict;
use warnings;
use PostgreSQL::Test::Utils;
use StrataTest;
use Test::More;

my $node = strata_node('main', settings => "strata.auto_flush_interval = 0\n");
make_table($node, 'items', rows => 200, dim => 8);
sql($node, <<'SQL');
CREATE INDEX items_v ON items USING ivf (v);
CREATE TABLE plain (id serial PRIMARY KEY, note text DEFAULT 'x');
INSERT INTO plain (note) VALUES ('a'), ('b');
SELECT strata.drop_soft('items');
SELECT strata.drop_soft('plain');
SQL
copy_database($node, 'copy');
my $trash = 'SELECT name, schema, "table", dropped_at FROM strata.trash ORDER BY 1';
is(sql($node, $trash, 'copy'), sql($node, $trash), 'the copy has the same trash');
is(sql($node, q{SELECT strata.undrop('items')}, 'copy'), 'items', 'a table is brought back in the copy');
is(sql($node, q{SELECT count(*), max(id) FROM items}, 'copy'), '200|200', 'with its rows');
is(sql($node, q{SELECT rows, heap_rows FROM strata.verify('items_v', true)}, 'copy'), '200|200', 'and its index');
is(sql($node, q{SELECT count(*) FROM strata.trash}), '2', 'the original is as it was');

# A dropped table does not stand in the way of one with its name, nor of another drop, after the restore.
sql($node, 'CREATE TABLE plain (i int)', 'copy');
like(sql($node, q{SELECT strata.drop_soft('plain')}, 'copy'), qr/^strata_trash_\d+(_\d+)?$/, 'dropped beside another');
is(sql($node, q{SELECT strata.undrop('public.plain')}, 'copy'), 'plain', 'the last one comes first');
is(sql($node, 'SELECT count(*) FROM plain', 'copy'), '0', 'it is that one');
is(sql($node, q{SELECT strata.undrop('public.plain', 'older')}, 'copy'), 'older', 'then the one before');
is(sql($node, 'INSERT INTO older DEFAULT VALUES RETURNING id, note', 'copy'), '3|x', 'its sequence goes on');

# A dump by an owner who is no superuser.
sql($node, 'CREATE ROLE keeper LOGIN; CREATE DATABASE kept OWNER keeper');
$node->safe_psql('kept', <<'SQL', extra_params => [ '-U', 'keeper' ]);
CREATE EXTENSION strata;
CREATE TABLE mine (v vector(2));
INSERT INTO mine VALUES ('[1,2]');
SELECT strata.drop_soft('mine');
SQL
my $file = $node->basedir . '/keeper.sql';
$node->command_ok([ 'pg_dump', '-U', 'keeper', '--file', $file, '--dbname', $node->connstr('kept') ],
    'the owner of a database can dump it');
like(slurp_file($file), qr/strata_trash_\d+.*\[1,2\]/s, 'with what is in the trash');
is($node->safe_psql('kept', q{SELECT strata.undrop('mine')}, extra_params => [ '-U', 'keeper' ]), 'mine',
    'and brings it back');

# The extension goes; tables without its types stay in their schemas.
my $place = sql($node, q{SELECT name FROM strata.trash WHERE "table" = 'plain'});
sql($node, 'DROP EXTENSION strata CASCADE');
is(sql($node, "SELECT count(*) FROM $place.plain"), '2', 'a table in the trash outlives the extension');

done_testing();
