/* SPDX-License-Identifier: MIT */
__attribute__((visibility("default"))) int plugin_value(int value);

__attribute__((noinline, noipa)) static int plugin_inner(int value)
{
	return value * 2 + 1;
}

int plugin_value(int value)
{
	return plugin_inner(value) + plugin_inner(value + 1);
}
