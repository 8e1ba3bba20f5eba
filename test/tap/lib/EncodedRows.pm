# Rows whose id is encoded in their vector, in a table `items` with an ivf index `items_v`: an entry that leads to a
# row it was not made for shows in any search. Sessions change them at random, side by side, and search.
#
#   make_encoded_items($node, rows => 3000, period => 100, options => 'min_seal_rows = 100', searched => 40);
#   run_encoded_items($node, 'eight seconds', duration => '--time=8', clients => 6, id_max => 20000, scripts => {...});
#   check_encoded_items($node);
package EncodedRows;

use strict;
use warnings;
use Exporter 'import';
use StrataTest;
use Test::More;

our @EXPORT = qw(make_encoded_items run_encoded_items check_encoded_items);

# Options: rows; period (ids that share a vector's second component); options and storage (of index and table);
# searched (rows of a search).
sub make_encoded_items
{
    my ($node, %options) = @_;
    my $with = $options{storage} ? "WITH ($options{storage})" : '';
    sql($node, <<"SQL");
CREATE TABLE items (id int, v vector(4)) $with;
CREATE INDEX items_v ON items USING ivf (v) WITH ($options{options});
CREATE INDEX items_id ON items (id);
CREATE FUNCTION vector_of(id int) RETURNS vector LANGUAGE sql IMMUTABLE AS
  \$\$ SELECT ARRAY[id % $options{period}, id / $options{period}, id % 7, 1]::vector \$\$;
INSERT INTO items SELECT i, vector_of(i) FROM generate_series(1, $options{rows}) AS i;

-- The nearest rows of one: each with its own vector, each once, in order; `least_count` of them at least.
CREATE FUNCTION search(wanted int, least_count int) RETURNS void LANGUAGE plpgsql AS \$\$
DECLARE
  r record;
  seen tid[] := '{}';
  last float8 := -1;
BEGIN
  FOR r IN SELECT id, v, ctid AS place, v <-> vector_of(wanted) AS distance FROM items
           ORDER BY v <-> vector_of(wanted) LIMIT $options{searched} LOOP
    IF r.v <> vector_of(r.id) THEN RAISE EXCEPTION 'row % has the vector of another', r.id; END IF;
    IF r.place = ANY (seen) THEN RAISE EXCEPTION 'row % twice', r.id; END IF;
    IF r.distance < last THEN RAISE EXCEPTION 'distance % after %', r.distance, last; END IF;
    seen := seen || r.place;
    last := r.distance;
  END LOOP;
  IF cardinality(seen) < least_count THEN RAISE EXCEPTION 'only % rows', cardinality(seen); END IF;
END \$\$;

-- Everything, through the index and without it, in one snapshot.
CREATE FUNCTION compare() RETURNS void LANGUAGE plpgsql AS \$\$
DECLARE
  by_index record;
  by_table record;
BEGIN
  SET LOCAL enable_seqscan = off;
  SET LOCAL enable_sort = off;
  EXECUTE 'SELECT count(*), count(DISTINCT place) AS places, sum(id) AS ids, sum(id::numeric * id) AS squares,
                  count(*) FILTER (WHERE v <> vector_of(id)) AS wrong
           FROM (SELECT id, v, ctid AS place FROM items ORDER BY v <-> ''[1,2,3,4]'') s' INTO by_index;
  SET LOCAL enable_seqscan = on;
  SET LOCAL enable_indexscan = off;
  EXECUTE 'SELECT count(*), count(DISTINCT ctid) AS places, sum(id) AS ids, sum(id::numeric * id) AS squares,
                  0::bigint AS wrong
           FROM items' INTO by_table;
  IF by_index IS DISTINCT FROM by_table::record THEN
    RAISE EXCEPTION 'index % but table %', by_index, by_table;
  END IF;
END \$\$;
SQL
    return;
}

# What sessions do, by name: a script of pgbench, with IDS for the greatest id.
my %scripts = (
    insert => '\set first random(1, IDS)
               INSERT INTO items SELECT i, vector_of(i) FROM generate_series(:first, :first + 35) AS i;',
    delete => '\set first random(1, IDS)
               DELETE FROM items WHERE id BETWEEN :first AND :first + 170;',
    new_place => '\set first random(1, IDS)
                  UPDATE items SET v = v WHERE id BETWEEN :first AND :first + 20;',
    become_another => '\set first random(1, IDS)
                       UPDATE items SET id = id + 1, v = vector_of(id + 1) WHERE id BETWEEN :first AND :first + 20;',
    rollback => '\set first random(1, IDS)
                 BEGIN;
                 INSERT INTO items SELECT i, vector_of(i) FROM generate_series(:first, :first + 30) AS i;
                 SAVEPOINT s;
                 DELETE FROM items WHERE id BETWEEN :first AND :first + 10;
                 ROLLBACK TO s;
                 ROLLBACK;',
    search => '\set wanted random(1, IDS)
               SET enable_seqscan = off;
               SELECT search(:wanted, LEAST);',
    compare => 'BEGIN ISOLATION LEVEL REPEATABLE READ;
                SELECT compare();
                SELECT compare();
                COMMIT;',
    vacuum => 'VACUUM items;',
    vacuum_index => 'VACUUM (INDEX_CLEANUP on, TRUNCATE off) items;',
    flush => q{SELECT strata.flush('items_v');},
    merge => q{CALL strata.merge('items_v');},
    compact => q{CALL strata.compact('items_v', force => true);},
    retrain => q{CALL strata.retrain('items_v');},
);

my $run_count = 0;    # every run has files of its own

# A test: so many sessions at once, no error. Options: clients; duration (pgbench's --time or --transactions); id_max;
# least (rows every search finds); scripts (name => weight).
sub run_encoded_items
{
    my ($node, $name, %options) = @_;
    my $least = $options{least} // 0;
    my %weighted;
    $run_count++;
    foreach my $script (keys %{ $options{scripts} })
    {
        my $text = $scripts{$script} or die "no script $script";
        $text =~ s/IDS/$options{id_max}/g;
        $text =~ s/LEAST/$least/g;
        $weighted{"${script}_$run_count\@$options{scripts}{$script}"} = $text;
    }
    $node->pgbench("--no-vacuum --client=$options{clients} $options{duration}",
        0, [qr/number of transactions actually processed: [1-9]/],
        [qr/^$/], $name, \%weighted);
    return;
}

# Tests: the index holds the rows of the table, and after VACUUM nothing else.
sub check_encoded_items
{
    my ($node) = @_;
    my $rows = sql($node, 'SELECT count(*) FROM items');
    is(sql($node, "SELECT heap_rows FROM strata.verify('items_v', true)"), $rows, 'index and table agree');
    # Without being told, VACUUM leaves indexes alone when few pages have dead rows.
    sql($node, 'VACUUM (INDEX_CLEANUP on) items');
    is(sql($node, "SELECT rows FROM strata.verify('items_v', true)"), $rows, 'VACUUM leaves no other entries');
    sql($node, 'BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT compare(); COMMIT');
    is(sql($node, 'SELECT count(*) FROM strata.worker_failures'), '0', 'no worker failed');
    return;
}

1;
