# Segments replaced while old queries read them, on a primary and its standbys: with hot_standby_feedback the primary
# keeps the pages, without it the query is cancelled (40001), and in neither case is a row wrong. A replication slot
# holds pages back like a snapshot, also when its standby is gone. A standby takes over in the middle of a merge.
use strict;
use warnings;
use PostgreSQL::Test::Utils;
use StrataTest;
use Test::More;
use Time::HiRes qw(sleep);

my $primary = strata_node('primary', streaming => 1, settings => "strata.auto_flush_interval = 0\n");
make_table($primary, 'items', dim => 8);
sql($primary, 'CREATE INDEX items_v ON items USING ivf (v)');
add_rows($primary, 'items', 1, 600, 8);
sql($primary, "SELECT strata.flush('items_v')");
my $patient = standby_of($primary, 'patient',
    settings => "hot_standby_feedback = on\nwal_receiver_status_interval = 1\nmax_standby_streaming_delay = -1\n");
my $strict = standby_of($primary, 'strict',
    settings => "hot_standby_feedback = off\nmax_standby_streaming_delay = 0\n");

# A cursor over the index, with rows left to read.
sub open_cursor
{
    my ($node) = @_;
    my ($in, $out) = (<<'SQL', '');
\set VERBOSITY verbose
SET enable_seqscan = off;
BEGIN ISOLATION LEVEL REPEATABLE READ;
DECLARE d CURSOR FOR SELECT id FROM items ORDER BY v <-> test_vector(17, 8);
FETCH 3 FROM d;
\echo opened
SQL
    my $session = IPC::Run::start([ 'psql', '-XAtq', '-d', $node->connstr('postgres') ],
        '<', \$in, '>', \$out, '2>&1', IPC::Run::timeout(120));
    $session->pump until $out =~ /opened/;
    return { run => $session, in => \$in, out => \$out };
}

# What is left of it: rows, or the error.
sub rest_of
{
    my ($cursor) = @_;
    local $SIG{PIPE} = 'IGNORE';    # a session that was cancelled has ended
    ${ $cursor->{out} } = '';
    ${ $cursor->{in} } .= "MOVE 5 IN d;\nFETCH ALL FROM d;\nCOMMIT;\n";
    eval { $cursor->{run}->finish; };
    return ${ $cursor->{out} };
}

sub replace_everything
{
    my ($first) = @_;
    add_rows($primary, 'items', $first, $first + 300, 8);
    sql($primary, "DELETE FROM items WHERE id BETWEEN $first AND $first + 50");
    sql($primary, 'VACUUM items');
    sql($primary, "SELECT strata.flush('items_v')");
    sql($primary, "CALL strata.merge('items_v')");
    sql($primary, 'SELECT pg_current_xact_id()');
    sql($primary, "CALL strata.merge('items_v')");    # reclaims
    return;
}

my $waiting = q{SELECT count(*) > 0 FROM strata.segments WHERE state = 'retired'};
my $slow = open_cursor($patient);
my $reading =
  q{SELECT count(*) FROM pg_stat_replication WHERE application_name = 'patient' AND backend_xmin IS NOT NULL};
wait_until($primary, $reading, '1', 'the patient standby says what it reads');
my $quick = open_cursor($strict);
replace_everything(1001);
replace_everything(2001);
is(sql($primary, $waiting), 't', 'what the patient standby reads is not given away');
$primary->wait_for_catchup($strict);
my $rest = rest_of($slow);
my @rows = grep { /^\d+$/ } split /\n/, $rest;
is(scalar(@rows), 592, 'the long query of the patient standby sees all of its rows');
is(scalar(grep { $_ < 1 || $_ > 600 } @rows), 0, 'and only those it had when it began');
my %seen = map { $_ => 1 } @rows;
is(scalar(keys %seen), 592, 'none twice');

# When it has ended, pages are given away, and the strict standby is told.
foreach my $try (1 .. 100)
{
    sql($primary, 'SELECT pg_current_xact_id()');
    sql($primary, "CALL strata.merge('items_v')");
    last if sql($primary, $waiting) eq 'f';
    sleep(0.1);
}
is(sql($primary, $waiting), 'f', 'pages are given away');
replace_everything(3001);
$primary->wait_for_catchup($strict);
$rest = rest_of($quick);
@rows = grep { /^\d+$/ } split /\n/, $rest;
like($rest, qr/40001|57P01|conflict with recovery|terminating connection/, 'the strict standby cancels its old query')
  or diag($rest);
is(scalar(grep { $_ < 1 || $_ > 600 } @rows), 0, 'and returned no wrong row before');
same_result($primary, $_, 'SELECT count(*) FROM items', 'the standby caught up: ' . $_->name) foreach $patient, $strict;
verify_index($patient, 'items_v', 'the patient standby verifies');
verify_index($strict, 'items_v', 'the strict standby verifies');

# A slot that lags: its horizon holds pages back; when it is dropped they go.
sql($primary, q{SELECT pg_create_physical_replication_slot('lagging', true)});
$patient->stop;
$patient->append_conf('postgresql.conf', "primary_slot_name = 'lagging'\n");
$patient->start;
my $held = open_cursor($patient);
my $slot = q{FROM pg_replication_slots WHERE slot_name = 'lagging'};
wait_until($primary, "SELECT xmin IS NOT NULL $slot", 't', 'a slot has a horizon');
$patient->kill9;    # and will never say that it is done
replace_everything(4001);
is(sql($primary, $waiting), 't', 'the slot of a dead standby holds pages back');
wait_until($primary, "SELECT active $slot", 'f', 'it is not active');
sql($primary, q{SELECT pg_drop_replication_slot('lagging')});
sql($primary, 'SELECT pg_current_xact_id()');
sql($primary, "CALL strata.merge('items_v')");
is(sql($primary, $waiting), 'f', 'without it they are given away');
$held->{run}->kill_kill;

# Promotion while a merge has written its pages and not published them.
sub hold_merge
{
    my $lock = start_in_background($primary, 'SELECT pg_advisory_lock(5354); SELECT pg_sleep(600)');
    my $held = q{SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = 5354 AND granted};
    wait_until($primary, $held, '1', 'a lock is held');
    my ($in, $out) = ("SET strata.debug_wait_at = 'publish';\nCALL strata.merge('items_v');\n", '');
    my $merge = IPC::Run::start([ 'psql', '-Xq', '-d', $primary->connstr('postgres') ], '<', \$in, '>', \$out, '2>&1');
    $merge->pump while length($in);
    return ($lock, $merge);
}
add_rows($primary, 'items', 5001, 5200, 8);
sql($primary, "SELECT strata.flush('items_v')");
my @sessions = hold_merge();
wait_until($primary, q{SELECT phase FROM strata.progress}, 'publish', 'a merge is about to publish');
my $rows = sql($primary, 'SELECT count(*) FROM items');
is(sql($primary, q{SELECT count(*) FROM strata.segments WHERE state = 'building'}), '1', 'its output is written');
$primary->wait_for_catchup($strict);
$strict->promote;
is(sql($strict, q{SELECT count(*) FROM strata.segments WHERE state = 'building'}), '1', 'half done on the new primary');
add_rows($strict, 'items', 6001, 6050, 8);
sql($strict, "SELECT strata.flush('items_v')");
sql($strict, "CALL strata.merge('items_v')");
my $half_done = q{SELECT count(*) FROM strata.segments WHERE state IN ('building', 'sealing')};
is(sql($strict, $half_done), '0', 'swept there');
is(sql($strict, "SELECT heap_rows FROM strata.verify('items_v', true)"), $rows + 50, 'and every row is indexed');
cmp_ok(recall($strict, table => 'items', queries => 5), '>=', 0.9, 'and found');
$primary->stop('immediate');
$_->kill_kill foreach @sessions;

done_testing();
