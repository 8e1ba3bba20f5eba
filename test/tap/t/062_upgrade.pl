# pg_upgrade into a new cluster: files of indexes and companions are taken as they are, all else goes through a dump.
# Indexes answer as before without REINDEX, and versions, branches, gates, tiers and policies can be used.
use strict;
use warnings;
use PostgreSQL::Test::Utils;
use StrataTest;
use Test::More;

my $settings = "strata.auto_flush_interval = 0\nautovacuum = off\n";
my $old = strata_node('old', settings => $settings);
make_table($old, 'items', rows => 6000, dim => 16);
sql($old, <<'SQL');
ALTER TABLE items ADD shop int DEFAULT 0, ADD note text DEFAULT 'old';
UPDATE items SET shop = id % 10;
VACUUM items;
CREATE INDEX items_v ON items USING ivf (v, shop) WITH (insert_buffer = 8);
DELETE FROM items WHERE id % 7 = 0;
VACUUM items;
SELECT strata.enable_versions('items');
SELECT strata.create_version('items', 'v1', comment => 'one');
UPDATE items SET note = 'new' WHERE id <= 300;
SELECT strata.create_version('items', 'exp', mode => 'branch');
INSERT INTO items_exp.items (id, v) VALUES (10001, test_vector(10001, 16));
DELETE FROM items_exp.items WHERE id = 2;
CREATE TABLE seen (id int, v vector(4));
SELECT strata.set_dedup('seen', 'v', on_duplicate => 'skip');
INSERT INTO seen SELECT i, array[i, i, i, i]::real[]::vector FROM generate_series(1, 500) AS i;
SQL
make_table($old, 'past', rows => 6000, dim => 16);
sql($old, <<'SQL');
CREATE INDEX past_v ON past USING ivf (v);
INSERT INTO past SELECT i, test_vector(i, 16) FROM generate_series(6001, 6100) AS i;
SELECT strata.set_tier_policy('past', cold_after => '90 days', cold_tablespace => 'pg_default');
SELECT strata.set_segment_tier('past_v', id, 'cold') FROM strata.segments
WHERE index = 'past_v'::regclass AND kind = 'segment' AND state <> 'retired';
SQL

# A worker takes the count soon after a version is made.
wait_until($old, q{SELECT rows IS NOT NULL FROM strata.versions WHERE name = 'v1'}, 't', 'the version is counted');

my %questions = (
    'nearest rows' => 'SELECT id FROM items ORDER BY v <-> test_vector(3, 16) LIMIT 20',
    'nearest rows of a shop' => 'SELECT id FROM items WHERE shop = 3 ORDER BY v <-> test_vector(3, 16) LIMIT 20',
    'nearest rows of a version' => 'SELECT id, note FROM items_v1.items ORDER BY v <-> test_vector(3, 16) LIMIT 20',
    'nearest rows of a branch' => 'SELECT id, note FROM items_exp.items ORDER BY v <-> test_vector(3, 16) LIMIT 20',
    'nearest cold rows' => 'SELECT id FROM past ORDER BY v <-> test_vector(3, 16) LIMIT 20',
    'segments' => 'SELECT index, id, kind, state, rows, deleted_rows, lists, epoch, tier '
      . 'FROM strata.segments ORDER BY 1, 2',
    'versions' => 'SELECT "table", name, kind, parent, created_at, comment, rows, state '
      . 'FROM strata.versions ORDER BY 1, 2',
    'tier policies' => 'SELECT to_jsonb(p) FROM strata.tier_policies AS p',
    'files of the indexes' =>
      q{SELECT relname, pg_relation_size(oid) FROM pg_class WHERE relname ~ '^(items|past)_v' ORDER BY 1},
);
my %answers = map { $_ => sql($old, "SET enable_seqscan = off; $questions{$_}") } keys %questions;
like($answers{segments}, qr/cold/, 'some rows are cold');
$old->stop;

my $new = strata_node('new', settings => $settings, start => 0);
chomp(my $binaries = readpipe('pg_config --bindir'));
my @upgrade = (
    'pg_upgrade', '--old-datadir', $old->data_dir, '--new-datadir', $new->data_dir,
    '--old-bindir', $binaries, '--new-bindir', $binaries, '--socketdir', $old->host, '--old-port', $old->port,
    '--new-port', $new->port);
chdir($new->basedir) or die $!;
$new->command_ok(\@upgrade, 'pg_upgrade');
$new->start;

foreach my $question (sort keys %questions)
{
    is(sql($new, "SET enable_seqscan = off; $questions{$question}"), $answers{$question}, $question);
}
verify_index($new, $_) foreach ('items_v', 'past_v');
is(sql($new, q{SELECT ok FROM strata.verify_version('items', 'v1')}), 't', 'the version is what it was');

# Life goes on.
sql($new, 'INSERT INTO seen SELECT i, array[i, i, i, i]::real[]::vector FROM generate_series(400, 600) AS i');
is(sql($new, 'SELECT count(*) FROM seen'), '600', 'the gate knows what it let through');
sql($new, q{CALL strata.rollback_to('items', 'v1')});
is(sql($new, q{SELECT count(*) FROM strata.diff('items', 'v1')}), '0', 'rollback');
my $merge = q{SELECT strata.merge_branch('items', 'exp', on_conflict => 'branch') IS NOT NULL};
is(sql($new, $merge), 't', 'merge of a branch');
sql($new, <<'SQL');
INSERT INTO past SELECT i, test_vector(i, 16) FROM generate_series(7001, 9000) AS i;
DELETE FROM past WHERE id <= 2000;
VACUUM past;
SELECT strata.flush('past_v');
SELECT strata.set_segment_tier('past_v', id, 'hot') FROM strata.segments
WHERE index = 'past_v'::regclass AND kind = 'segment' AND state <> 'retired' AND tier = 'cold';
SQL
sql($new, q{CALL strata.merge('past_v')});
verify_index($new, $_) foreach ('items_v', 'past_v');
cmp_ok(recall($new, table => 'past'), '>=', 0.9, 'recall after more rows');

done_testing();
