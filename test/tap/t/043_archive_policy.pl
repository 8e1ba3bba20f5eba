# Archive policies are carried out by background workers, with the rights of the table's owner: what fails is shown and
# tried again, what is due is archived version by version, and kill -9 in the middle loses no version.
use strict;
use warnings;
use PostgreSQL::Test::Utils;
use StrataTest;
use Test::More;

my $node = strata_node('main', settings => "fsync = on\nfull_page_writes = on\n");
my $directory = PostgreSQL::Test::Utils::tempdir;
my $place = "$directory/archives";
sql($node, 'CREATE ROLE keeper; GRANT CREATE ON DATABASE postgres TO keeper; GRANT CREATE ON SCHEMA public TO keeper');

sub as_keeper { return sql($node, 'SET ROLE keeper; ' . shift); }

as_keeper('CREATE TABLE items (id int PRIMARY KEY, v vector(2), n int)');
as_keeper('INSERT INTO items SELECT i, ARRAY[i, 1]::vector, 0 FROM generate_series(1, 500) i');
as_keeper(q{SELECT strata.enable_versions('items')});
foreach my $version (1 .. 3)
{
    as_keeper("SELECT strata.create_version('items', 'v$version')");
    as_keeper("UPDATE items SET n = $version WHERE id <= $version * 100");
}
my $live = q{SELECT string_agg(name, ' ' ORDER BY name) FROM strata.version WHERE state = 'live'};
my $failure = q{SELECT job, last_sqlstate, errors > 0, next_try > last_error_at FROM strata.stat_worker
                WHERE "table" = 'items'::regclass AND errors > 0};

# A worker has no rights that the owner lacks.
as_keeper("SELECT strata.set_archive_policy('items', keep_last => 1, directory => '$place')");
wait_until($node, $failure, 'archive|42501|t|t', 'a policy of an owner without rights on files fails');
is(sql($node, $live), 'v1 v2 v3', 'and drops nothing');
sql($node, 'GRANT pg_write_server_files, pg_read_server_files TO keeper');

# Nor does it make directories. Each failure is waited for longer.
sub try_now { return sql($node, 'UPDATE strata.worker_failures SET next_try = now(); SELECT strata._request_visit()'); }
try_now();
wait_until($node, $failure, 'archive|58P01|t|t', 'neither does one whose directory is absent');
my $errors = sql($node, 'SELECT failures FROM strata.worker_failures');
cmp_ok($errors, '>=', 2, 'failures are counted');
is(sql($node, 'SELECT next_try - last_at >= interval \'2 seconds\' * 2 ^ (failures - 1) FROM strata.worker_failures'),
    't', 'and answered with patience');
mkdir($place) or die;
try_now();
wait_until($node, $live, 'v3', 'with both it archives what is due');
wait_until($node, 'SELECT count(*) FROM strata.worker_failures', '0', 'and the failure is forgotten');
is(sql($node, "SELECT strata.verify_archive('$place/items_v$_')"), '500', "v$_ is whole") foreach 1, 2;
sql($node, "SELECT strata.restore_archive('$place/items_v2', 'old')");
is(sql($node, 'SELECT count(*) FILTER (WHERE n = 1), count(*) FILTER (WHERE n = 0) FROM old'), '100|400', 'and right');

# The next version makes another one due.
as_keeper(q{SELECT strata.create_version('items', 'v4')});
wait_until($node, $live, 'v4', 'a new version is the occasion for the next archive');

# kill -9 in the middle of an archive that a worker writes.
sql($node, q{LOAD 'strata'; ALTER SYSTEM SET strata.debug_wait_at = 'archive'; SELECT pg_reload_conf()});
my $holder = start_in_background($node, 'SELECT pg_advisory_lock(5354), pg_sleep(3600)');
wait_until($node, q{SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = 5354 AND granted}, '1',
    'the lock is held');
as_keeper(q{SELECT strata.create_version('items', 'v5')});
wait_until($node, q{SELECT task, phase, "table" FROM strata.progress}, 'archive|archive|items', 'a worker is at it');
ok(-e "$place/items_v4.partial" && !-e "$place/items_v4", 'under a temporary name');
crash_and_restart($node);
$holder->finish;
is(sql($node, $live), 'v4 v5', 'killed: no version is lost');
ok(!-e "$place/items_v4", 'nor is there an archive');
sql($node, q{LOAD 'strata'; ALTER SYSTEM RESET strata.debug_wait_at; SELECT pg_reload_conf()});
try_now();
wait_until($node, $live, 'v5', 'the next visit does it');
is(sql($node, "SELECT strata.verify_archive('$place/items_v4')"), '500', 'whole');
ok(!-e "$place/items_v4.partial", 'and nothing is left of the first try');

done_testing();
