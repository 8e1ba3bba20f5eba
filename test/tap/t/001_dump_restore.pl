# pg_dump and pg_restore, COPY in text and binary: every type comes back as it was, with its modifier.
use strict;
use warnings;
use PostgreSQL::Test::Utils;
use StrataTest;
use Test::More;

my $node = strata_node('main');
my $tables = <<'SQL';
CREATE TABLE things (
    id int PRIMARY KEY,
    v vector(3) DEFAULT '[1,2,3]' CHECK (v <> '[0,0,0]'),
    any_v vector,
    h halfvec(2),
    s sparsevec(100000),
    b bit(9)
);
CREATE UNIQUE INDEX things_v ON things (v);
CREATE VIEW near AS SELECT id, v <-> '[1,1,1]' AS distance FROM things;
CREATE MATERIALIZED VIEW summary AS SELECT avg(v) AS mean, sum(h) AS total FROM things;
SQL
sql($node, $tables);
sql($node, <<'SQL');
INSERT INTO things SELECT i, ARRAY[i, -i / 3.0, 1e-30 * i]::real[]::vector,
    (SELECT array_agg(sin(d * i)::real) FROM generate_series(1, i) AS d)::vector, ARRAY[i / 7.0, -0.0]::real[]::halfvec,
    format('{%s:%s,99999:-1.5}/100000', i, i / 9.0)::sparsevec, (i % 512)::bit(9)
FROM generate_series(1, 600) AS i;
INSERT INTO things (id) VALUES (9000);
INSERT INTO things (id, v) VALUES (9001, NULL), (9002, '[3.4028235e38,-1e-45,-0]');
REFRESH MATERIALIZED VIEW summary;
SQL

my $content = 'SELECT * FROM things ORDER BY id';
my $directory = $node->basedir;

foreach my $format ('plain', 'custom')
{
    copy_database($node, "copy_$format", $format);
    is(sql($node, $content, "copy_$format"), sql($node, $content), "rows, $format");
    my $surroundings = q{SELECT (SELECT count(*) FROM near WHERE distance >= 0), (SELECT mean FROM summary),
        (SELECT total FROM summary), pg_get_indexdef('things_v'::regclass),
        string_agg(attname || ' ' || format_type(atttypid, atttypmod), ',' ORDER BY attnum)
        FROM pg_attribute WHERE attrelid = 'things'::regclass AND attnum > 0};
    is(sql($node, $surroundings, "copy_$format"), sql($node, $surroundings), "views, modifiers and index, $format");
}

# The dump of the copy is the dump.
my %dumps;
foreach my $database ('postgres', 'copy_custom')
{
    my ($out, $err);
    IPC::Run::run([ 'pg_dump', '--dbname', $node->connstr($database) ], '>', \$out, '2>', \$err);
    # Newer versions add a random word to each dump.
    $dumps{$database} = join "\n", grep { !/^\\(?:un)?restrict / } split /\n/, $out;
}
is($dumps{copy_custom}, $dumps{postgres}, 'a dump of the copy equals the dump');

foreach my $format ('text', 'csv', 'binary')
{
    sql($node, <<"SQL");
COPY things TO '$directory/things.$format' (FORMAT $format);
CREATE TABLE things_$format (LIKE things);
COPY things_$format FROM '$directory/things.$format' (FORMAT $format);
SQL
    is(sql($node, "SELECT * FROM things_$format ORDER BY id"), sql($node, $content), "COPY, $format");
}

done_testing();
