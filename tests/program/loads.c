/* SPDX-License-Identifier: MIT */
/*
 * A library that is loaded, used and unloaded again and again: loads LIBRARY [apart]. apart: each
 * time into a namespace of its own.
 */
#include <dlfcn.h>
#include <stdio.h>

static void *load(const char *path, int apart)
{
#ifdef LM_ID_NEWLM
	if (apart)
		return dlmopen(LM_ID_NEWLM, path, RTLD_NOW);
#endif
	return apart ? NULL : dlopen(path, RTLD_NOW);
}

int main(int argc, char **argv)
{
	int sum = 0;

	for (int i = 0; argc > 1 && i < 20; i++) {
		void *library = load(argv[1], argc > 2);
		int (*value)(int);

		if (!library)
			return 1;
		*(void **)&value = dlsym(library, "plugin_value");
		for (int k = 0; k < 10; k++)
			sum += value(k);
		dlclose(library);
	}
	printf("%d\n", sum);
	return 0;
}
