/* SPDX-License-Identifier: MIT */
/*
 * A program that finds out who has called it by return addresses, as those do that compile at run
 * time: it has the name that tells a JVM. Says whose each address is.
 */
#include <stdio.h>

extern const char __executable_start[], etext[];

int JNI_CreateJavaVM(void);

int JNI_CreateJavaVM(void)
{
	return 0;
}

/* The address behind a frame's saved pointer is where its function returns to. */
__attribute__((noinline)) static int is_ours(void *const *frame)
{
	const char *address = frame[1];

	return address >= __executable_start && address < etext;
}

__attribute__((noinline)) static int named(int x)
{
	return is_ours(__builtin_frame_address(0)) ? x : -1;
}

/* Whose address somebody has, and that ends with a jump to another one. */
__attribute__((noinline)) static int last(int x)
{
	__asm__ volatile("");
	return named(x + 1);
}

__attribute__((noinline)) static int taken(int x)
{
	return is_ours(__builtin_frame_address(0)) ? x - 1 : -1;
}

int main(void)
{
	int (*volatile functions[])(int) = {taken, last};

	printf("%d %d %d\n", functions[0](1), functions[1](1), JNI_CreateJavaVM());
	return 0;
}
