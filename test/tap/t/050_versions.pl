# Versions of tables through dump and restore, on a standby, in logical replication, and after a crash; and the test
# that matters most: no version ever changes while others write and make versions.
use strict;
use warnings;
use PostgreSQL::Test::Utils;
use StrataTest;
use Test::More;

my $node = strata_node('primary', streaming => 1,
    settings => "strata.auto_flush_interval = 0\nstrata.version_lock_timeout = 0\nmax_wal_senders = 10\n");
make_table($node, 'items', rows => 300, dim => 4);
sql($node, <<'SQL');
ALTER TABLE items ADD note text DEFAULT 'old', ADD part int GENERATED ALWAYS AS (id % 7) STORED;
CREATE INDEX items_v ON items USING ivf (v);
CREATE ROLE reader;
GRANT SELECT ON items TO reader;
CREATE POLICY even_rows ON items FOR SELECT TO reader USING (id % 2 = 0);
SELECT strata.enable_versions('items');
SELECT strata.create_version('items', 'v1', comment => 'one');
UPDATE items SET note = 'new' WHERE id <= 30;
DELETE FROM items WHERE id BETWEEN 100 AND 110;
SELECT strata.create_version('items', 'v2', retain => '30 days');
INSERT INTO items SELECT i, test_vector(i, 4) FROM generate_series(301, 310) AS i;
ALTER TABLE items ENABLE ROW LEVEL SECURITY;
CALL strata.rollback_to('items', 'v1', keep_as => 'v3');
CREATE TABLE plain (id int PRIMARY KEY, v vector(2));
INSERT INTO plain SELECT i, array[i, i]::real[]::vector FROM generate_series(1, 20) i;
SELECT strata.enable_versions('plain');
SELECT strata.create_version('plain', 'exp', mode => 'branch');
UPDATE plain_exp.plain SET v = '[0,0]' WHERE id = 3;
DELETE FROM plain_exp.plain WHERE id = 4;
SELECT strata.create_version('plain', 'fresh', mode => 'copy');
SELECT strata.drop_version('plain', 'fresh');
SELECT * FROM strata.versions v, strata.verify_version('items', v.name) WHERE v."table" = 'items'::regclass;
SQL

# Everything that can be read, as text.
my $content = join ' UNION ALL ', map { "SELECT '$_', t::text FROM $_ AS t" }
  ('items', 'items_v1.items', 'items_v2.items', 'items_v3.items', 'items_history.items', 'plain', 'plain_exp.plain');
$content = "$content ORDER BY 1, 2";
my $catalog = 'SELECT "table", name, kind, parent, created_at, comment, rows, retain_until, state '
  . 'FROM strata.versions ORDER BY 1, 2';
my $verify = q{SELECT bool_and(ok) FROM strata.versions v, strata.verify_version('items', v.name)
  WHERE v."table" = 'items'::regclass AND v.rows IS NOT NULL};
my $before = sql($node, $content);

# Versions can be used, not only read: on whatever server.
sub usable
{
    my ($where, $database) = @_;
    is(sql($where, $content, $database), $before, "content, $database");
    is(sql($where, $verify, $database), 't', "versions verify, $database");
    sql($where, "UPDATE items SET note = 'later' WHERE id <= 10", $database);
    sql($where, "SELECT strata.create_version('items', 'v4')", $database);
    sql($where, 'DELETE FROM items WHERE id < 50', $database);
    is(sql($where, $verify, $database), 't', "and after more changes, $database");
    sql($where, "CALL strata.rollback_to('items', 'v2')", $database);
    is(sql($where, "SELECT count(*) FROM strata.diff('items', 'v2')", $database), '0', "rollback, $database");
    sql($where, 'INSERT INTO plain_exp.plain VALUES (77)', $database);
    is(sql($where, 'SELECT count(*) FROM plain_exp.plain', $database), '20', "branch, $database");
    sql($where, "SELECT strata.undrop_version('plain', 'fresh')", $database);
    is(sql($where, 'SET ROLE reader; SELECT bool_and(id % 2 = 0) FROM items_v1.items', $database),
        't', "policies, $database");
    sql($where, 'ALTER TABLE items ADD COLUMN late int', $database);
    sql($where, "SELECT strata.drop_version('items', 'v1')", $database);
    sql($where, "SELECT strata.collect_versions('items', true)", $database);
    return;
}

foreach my $format ('plain', 'custom')
{
    copy_database($node, "copy_$format", $format);
    is(sql($node, $catalog, "copy_$format"), sql($node, $catalog), "catalog, $format");
    usable($node, "copy_$format");
}

# A standby reads every version, and can go on as a primary.
my $standby = standby_of($node, 'standby');
is(sql($standby, $content), $before, 'content on a standby');
is(sql($standby, $catalog), sql($node, $catalog), 'catalog on a standby');
my ($status, $out, $err) = $standby->psql('postgres', "SELECT strata.create_version('items', 'x')");
like($err, qr/recovery/, 'a standby makes no versions');

# Writers, version makers and a reader of truth; the primary dies in between.
sql($node, <<'SQL');
CREATE TABLE busy (id int PRIMARY KEY, n int, v vector(4));
CREATE INDEX busy_v ON busy USING ivf (v);
SELECT strata.enable_versions('busy');
CREATE TABLE truth (version name, id int, n int);
CREATE PROCEDURE write_busy(seed float, steps int) LANGUAGE plpgsql AS $$
DECLARE k int;
BEGIN
  PERFORM setseed(seed);
  FOR i IN 1..steps LOOP
    k := random() * 60;
    BEGIN
      INSERT INTO busy VALUES (k, i, test_vector(k, 4)) ON CONFLICT (id) DO UPDATE SET n = excluded.n;
      UPDATE busy SET n = n + 1 WHERE id BETWEEN k AND k + 2;
      IF random() < 0.5 THEN DELETE FROM busy WHERE id = (k + 7) % 60; END IF;
      IF random() < 0.15 THEN RAISE division_by_zero; END IF;
    EXCEPTION WHEN division_by_zero OR serialization_failure OR deadlock_detected THEN NULL;
    END;
    COMMIT;
    PERFORM pg_sleep(0.002);  -- the standby checks every page it replays
  END LOOP;
END $$;
CREATE PROCEDURE make_versions(prefix text, steps int) LANGUAGE plpgsql AS $$
BEGIN
  FOR i IN 1..steps LOOP
    PERFORM strata.create_version('busy', (prefix || i)::name);
    EXECUTE format('INSERT INTO truth SELECT %L, id, n FROM %I.busy', prefix || i, 'busy_' || prefix || i);
    COMMIT;
    IF i % 3 = 0 THEN
      PERFORM strata.drop_version('busy', (prefix || i - 2)::name);
      DELETE FROM truth WHERE version = prefix || i - 2;
      PERFORM strata.collect_versions('busy', true);
      COMMIT;
    END IF;
    PERFORM pg_sleep(0.02);
  END LOOP;
END $$;
SQL
my $live = q{FROM strata.versions v WHERE v."table" = 'busy'::regclass AND v.state = 'live'};
my $differences = "SELECT count(*) $live AND differs(v.name)";
sql($node, <<'SQL');
CREATE FUNCTION differs(version name) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE result boolean;
BEGIN
  EXECUTE format('SELECT EXISTS ((SELECT id, n FROM %1$I.busy EXCEPT ALL SELECT id, n FROM truth WHERE version = %2$L) '
                 'UNION ALL (SELECT id, n FROM truth WHERE version = %2$L EXCEPT ALL SELECT id, n FROM %1$I.busy))',
                 'busy_' || version, version) INTO result;
  RETURN result;
END $$;
SQL
# Every third one with a snapshot that may be older than a version.
sub writer
{
    my ($number, $steps) = @_;
    local $ENV{PGOPTIONS} = $number % 3 ? '' : '-c default_transaction_isolation=repeatable\ read';
    return start_in_background($node, "CALL write_busy(0.$number, $steps)");
}
my @sessions = map { writer($_, 400) } (1 .. 3);
push @sessions, start_in_background($node, "CALL make_versions('a', 30)");
$_->finish foreach @sessions;
is(sql($node, $differences), '0', 'no version changed under writers');
cmp_ok(sql($node, "SELECT count(*) $live"), '>=', 15, 'versions were made');
@sessions = map { writer($_, 100000) } (4 .. 6);
push @sessions, start_in_background($node, "CALL make_versions('b', 1000)");
wait_until($node, q{SELECT count(*) > 2 FROM strata.version WHERE name ~ '^b'}, 't', 'more versions are made');
crash_and_restart($node);
$_->kill_kill foreach @sessions;
is(sql($node, $differences), '0', 'no version changed in a crash');
sql($node, "CALL strata.rollback_to('busy', 'a30')");
is(sql($node, "SELECT count(*) FROM strata.diff('busy', 'a30')"), '0', 'a rollback after the crash');

$node->wait_for_catchup($standby);
is(sql($standby, $differences), '0', 'the standby agrees');
$standby->promote;
usable($standby, 'postgres');

# Logical replication: tables, histories and catalog are published like any other table.
my $subscriber = strata_node('subscriber', settings => "wal_level = logical\nmax_logical_replication_workers = 4\n");
my $schema = $node->basedir . '/schema.sql';
my @schema_dump = ('pg_dump', '--schema-only', '--file', $schema, '--dbname', $node->connstr('postgres'));
$node->command_ok(\@schema_dump, 'schema');
my $published = join ', ', 'items', 'items_history.items', 'plain', 'plain_history.plain', 'plain_history.exp_delta',
  'plain_history.exp_gone', 'strata.versioned_table', 'strata.version';
sql($node, "CREATE PUBLICATION everything FOR TABLE $published");
sql($subscriber, 'CREATE DATABASE copy; CREATE ROLE reader');
my @schema_restore = ('psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-f', $schema, '-d', $subscriber->connstr('copy'));
$subscriber->command_ok(\@schema_restore, 'schema restored');
my $connection = $node->connstr . ' dbname=postgres';
sql($subscriber, "CREATE SUBSCRIPTION everything CONNECTION '$connection' PUBLICATION everything", 'copy');
$subscriber->wait_for_subscription_sync($node, 'everything', 'copy');
sql($node, "UPDATE items SET note = 'replicated' WHERE id <= 20");
$node->wait_for_catchup('everything');
is(sql($subscriber, $content, 'copy'), sql($node, $content), 'content of the subscriber');
is(sql($subscriber, $verify, 'copy'), 't', 'versions of the subscriber verify');

done_testing();
