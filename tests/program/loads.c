/* SPDX-License-Identifier: MIT */
/* A library that is loaded, used and unloaded again and again: loads LIBRARY. */
#include <dlfcn.h>
#include <stdio.h>

int main(int argc, char **argv)
{
	int sum = 0;

	for (int i = 0; argc > 1 && i < 20; i++) {
		void *library = dlopen(argv[1], RTLD_NOW);
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
