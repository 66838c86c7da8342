/* SPDX-License-Identifier: MIT */
#include "base/test.h"
#include "cmd/cmd.h"
#include "cmd/help.h"

enum {
	OPT_CPU = 256,
	OPT_CPUS,
	OPT_EVENT,
	OPT_EVENTS,
	OPT_COLOR,
	OPT_LEVEL
};

static const struct cmd_option options[] = {
	{.id = 'a', .letter = 'a', .help = "a flag"},
	{.id = 'b', .letter = 'b', .name = "both", .help = "a flag"},
	{.id = 'o', .letter = 'o', .name = "output", .arg = CMD_ARG_REQUIRED, .help = "file"},
	{.id = 'V', .letter = 'V', .name = "verbose", .arg = CMD_ARG_OPTIONAL, .help = "level"},
	{.id = OPT_CPU, .name = "cpu", .arg = CMD_ARG_REQUIRED, .help = "one"},
	{.id = OPT_CPUS, .name = "cpus", .help = "all"},
	{.id = OPT_COLOR, .name = "color", .help = "colour"},
	{.id = OPT_COLOR, .name = "colour", .help = "colour"},
	{.id = OPT_EVENT, .name = "event-one", .help = "one"},
	{.id = OPT_EVENTS, .name = "event-all", .help = "all"},
	{0},
};

static const struct command mixed = {.name = "mixed", .options = options};
static const struct command stops = {.name = "stops", .options = options, .stop_at_operand = true};

/* One parse written as text: "a o=x V=- [operand] | left over". */
static const char *parse(const struct command *command, bool want_operands, char **argv)
{
	static char text[1000];
	struct cmd_parser parser;
	int argc = 0, id;
	size_t n = 0;

	while (argv[argc])
		argc++;
	cmd_parser_init(&parser, command, argc, argv);
	parser.want_operands = want_operands;
	text[0] = '\0';
	while ((id = cmd_next(&parser)) && id != -1) {
		char name[16];

		snprintf(name, sizeof(name), id > 255 ? "%d" : "%c", id);
		n += (size_t)snprintf(text + n, sizeof(text) - n, "%s%s%s ",
				      id == CMD_OPERAND ? "[" : name, parser.arg ? "=" : "",
				      parser.arg ? parser.arg : "");
	}
	if (id == -1) {
		snprintf(text + n, sizeof(text) - n, "error");
		return text;
	}
	n += (size_t)snprintf(text + n, sizeof(text) - n, "|");
	for (int i = parser.first; i < argc; i++)
		n += (size_t)snprintf(text + n, sizeof(text) - n, " %s", argv[i]);
	return text;
}

#define ARGV(...) ((char *[]){(char *)"cmd", __VA_ARGS__, NULL})
#define A(text)	  ((char *)text)

TEST(no_arguments)
{
	char *argv[] = {A("cmd"), NULL};

	CHECK_STR(parse(&mixed, false, argv), "|");
}

TEST(grouped_letters)
{
	CHECK_STR(parse(&mixed, false, ARGV(A("-aab"))), "a a b |");
	CHECK_STR(parse(&mixed, false, ARGV(A("-aofile"), A("-b"))), "a o=file b |");
	CHECK_STR(parse(&mixed, false, ARGV(A("-abo"), A("file"), A("x"))), "a b o=file | x");
}

TEST(attached_and_separate_arguments)
{
	CHECK_STR(parse(&mixed, false, ARGV(A("-ofile"))), "o=file |");
	CHECK_STR(parse(&mixed, false, ARGV(A("-o"), A("file"))), "o=file |");
	CHECK_STR(parse(&mixed, false, ARGV(A("-o"), A("-a"))), "o=-a |");
	CHECK_STR(parse(&mixed, false, ARGV(A("--output=file"))), "o=file |");
	CHECK_STR(parse(&mixed, false, ARGV(A("--output"), A("file"))), "o=file |");
	CHECK_STR(parse(&mixed, false, ARGV(A("--output="))), "o= |");
	CHECK_STR(parse(&mixed, false, ARGV(A("--output"), A("--"))), "o=-- |");
	CHECK_STR(parse(&mixed, false, ARGV(A("-o"), A(""))), "o= |");
}

TEST(missing_and_surplus_arguments)
{
	CHECK_STR(parse(&mixed, false, ARGV(A("-o"))), "error");
	CHECK_STR(parse(&mixed, false, ARGV(A("--output"))), "error");
	CHECK_STR(parse(&mixed, false, ARGV(A("--both=1"))), "error");
	CHECK_STR(parse(&mixed, false, ARGV(A("--both="))), "error");
}

TEST(optional_arguments_are_attached)
{
	CHECK_STR(parse(&mixed, false, ARGV(A("-V"), A("3"))), "V | 3");
	CHECK_STR(parse(&mixed, false, ARGV(A("-V3"))), "V=3 |");
	CHECK_STR(parse(&mixed, false, ARGV(A("--verbose"), A("3"))), "V | 3");
	CHECK_STR(parse(&mixed, false, ARGV(A("--verbose=3"))), "V=3 |");
	CHECK_STR(parse(&mixed, false, ARGV(A("-aV"))), "a V |");
}

TEST(operands_between_options)
{
	CHECK_STR(parse(&mixed, false, ARGV(A("x"), A("-a"), A("y"), A("-o"), A("f"), A("z"))),
		  "a o=f | x y z");
	CHECK_STR(parse(&mixed, true, ARGV(A("x"), A("-a"), A("y"), A("-o"), A("f"), A("z"))),
		  "[=x a [=y o=f [=z |");
	CHECK_STR(parse(&mixed, false, ARGV(A("-"), A("-a"), A(""))), "a | - ");
}

TEST(double_dash)
{
	CHECK_STR(parse(&mixed, false, ARGV(A("x"), A("-a"), A("--"), A("-b"), A("--"))),
		  "a | x -b --");
	CHECK_STR(parse(&mixed, true, ARGV(A("x"), A("--"), A("-b"), A("--"))), "[=x [=-b [=-- |");
	CHECK_STR(parse(&stops, false, ARGV(A("-a"), A("--"), A("-b"))), "a | -b");
	CHECK_STR(parse(&mixed, false, ARGV(A("--"))), "|");
	CHECK_STR(parse(&mixed, true, ARGV(A("--"))), "|");
}

TEST(stop_at_operand)
{
	CHECK_STR(parse(&stops, false, ARGV(A("-a"), A("ls"), A("-b"), A("--help"))),
		  "a | ls -b --help");
	CHECK_STR(parse(&stops, true, ARGV(A("ls"), A("-b"))), "| ls -b");
}

TEST(shortened_long_options)
{
	CHECK_STR(parse(&mixed, false, ARGV(A("--out"), A("f"))), "o=f |");
	CHECK_STR(parse(&mixed, false, ARGV(A("--o=f"))), "o=f |");
	CHECK_STR(parse(&mixed, false, ARGV(A("--cpu"), A("1"))), "256=1 |");
	CHECK_STR(parse(&mixed, false, ARGV(A("--cp"))), "error");
	CHECK_STR(parse(&mixed, false, ARGV(A("--event"))), "error");
	CHECK_STR(parse(&mixed, false, ARGV(A("--event-a"))), "259 |");
	/* Two spellings of one option are no ambiguity. */
	CHECK_STR(parse(&mixed, false, ARGV(A("--col"))), "260 |");
}

TEST(unknown_options)
{
	CHECK_STR(parse(&mixed, false, ARGV(A("--nonsense"))), "error");
	CHECK_STR(parse(&mixed, false, ARGV(A("--=x"))), "error");
	CHECK_STR(parse(&mixed, false, ARGV(A("-az"))), "a error");
	CHECK_STR(parse(&mixed, false, ARGV(A("-\377"))), "error");
}

TEST(help_is_seen_before_the_command_runs)
{
	char **argv = ARGV(A("x"), A("-a"), A("--help"));

	CHECK(cmd_wants_help(&mixed, 4, argv));
	CHECK_STR(argv[1], "x");
	CHECK(cmd_wants_help(&mixed, 2, ARGV(A("-ah"))));
	CHECK(cmd_wants_help(&mixed, 2, ARGV(A("--hel"))));
	CHECK(!cmd_wants_help(&mixed, 3, ARGV(A("-o"), A("--help"))));
	CHECK(!cmd_wants_help(&mixed, 3, ARGV(A("--"), A("--help"))));
	CHECK(!cmd_wants_help(&mixed, 3, ARGV(A("--bad"), A("--help"))));
	CHECK(!cmd_wants_help(&stops, 3, ARGV(A("ls"), A("--help"))));
	CHECK(cmd_wants_help(&stops, 3, ARGV(A("--help"), A("ls"))));
}

static const char *nearest(const char *word)
{
	struct closest closest;

	closest_init(&closest, word, strlen(word));
	closest_try(&closest, "record");
	closest_try(&closest, "report");
	closest_try(&closest, "split");
	closest_try(&closest, "dump");
	closest_try(&closest, NULL);
	return closest_found(&closest) ? closest_found(&closest) : "none";
}

TEST(suggestions)
{
	CHECK_STR(nearest("recrod"), "record");
	CHECK_STR(nearest("reprot"), "report");
	CHECK_STR(nearest("spilt"), "split");
	CHECK_STR(nearest("dmp"), "dump");
	CHECK_STR(nearest("frobnicate"), "none");
	CHECK_STR(nearest(""), "none");
}

TEST(numbers)
{
	uint64_t v = 7;

	CHECK(cmd_parse_u64(&mixed, "-b", "42", 1, 100, &v));
	CHECK_EQ(v, 42);
	CHECK(cmd_parse_u64(&mixed, "-b", "0x10", 1, 100, &v));
	CHECK_EQ(v, 16);
	CHECK(cmd_parse_u64(&mixed, "-b", "18446744073709551615", 0, UINT64_MAX, &v));
	CHECK(v == UINT64_MAX);
	v = 7;
	CHECK(!cmd_parse_u64(&mixed, "-b", "18446744073709551616", 0, UINT64_MAX, &v));
	CHECK(!cmd_parse_u64(&mixed, "-b", "101", 1, 100, &v));
	CHECK(!cmd_parse_u64(&mixed, "-b", "0", 1, 100, &v));
	CHECK(!cmd_parse_u64(&mixed, "-b", "-1", 0, UINT64_MAX, &v));
	CHECK(!cmd_parse_u64(&mixed, "-b", " 1", 0, 100, &v));
	CHECK(!cmd_parse_u64(&mixed, "-b", "12k", 0, 100, &v));
	CHECK(!cmd_parse_u64(&mixed, "-b", "", 0, 100, &v));
	CHECK_EQ(v, 7);
}

/* Every row must be usable: unique names and letters, ids that agree with their letters. */
TEST(table_is_consistent)
{
	for (const struct command *const *c = commands; *c; c++) {
		const struct cmd_option *o = cmd_options(*c);
		bool group_known = false;

		CHECK(command_find((*c)->name) == *c);
		CHECK((*c)->run && (*c)->summary && (*c)->group);
		for (const struct command_group *g = command_groups; g->key; g++)
			group_known |= !strcmp(g->key, (*c)->group);
		CHECK(group_known);
		for (; o->id; o++) {
			CHECK(o->id > 0 && (o->letter || o->name));
			for (const struct cmd_option *p = cmd_options(*c); p < o; p++) {
				CHECK(!o->letter || o->letter != p->letter);
				CHECK(!o->name || !p->name || strcmp(o->name, p->name));
			}
		}
	}
}

TEST_MAIN()
