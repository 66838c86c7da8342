/* SPDX-License-Identifier: MIT */
/* Called as it is written, whatever a compiler knows of it. */
#ifdef __clang__
#define APART __attribute__((noinline, optnone))
#else
#define APART __attribute__((noinline, noipa))
#endif

__attribute__((visibility("default"))) int plugin_value(int value);

APART static int plugin_inner(int value)
{
	return value * 2 + 1;
}

int plugin_value(int value)
{
	return plugin_inner(value) + plugin_inner(value + 1);
}
