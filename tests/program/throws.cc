// SPDX-License-Identifier: MIT
// Exceptions through traced functions, with destructors on the way, and thrown anew.
#include <cstdio>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

static int gone;

struct Guard {
	~Guard() { gone++; }
};

__attribute__((noinline, noipa)) int fall(int depth)
{
	Guard guard;

	if (!depth)
		throw std::runtime_error("bottom");
	return fall(depth - 1) + 1;
}

__attribute__((noinline, noipa)) int again(int depth)
{
	try {
		return fall(depth);
	} catch (const std::exception &e) {
		Guard guard;
		throw std::string(e.what()) + " again";
	}
}

__attribute__((noinline, noipa)) int catch_it(int depth)
{
	try {
		return again(depth);
	} catch (const std::string &text) {
		return (int)text.size();
	}
}

int main()
{
	std::vector<std::thread> threads;
	long sum = 0;

	for (int i = 0; i < 500; i++)
		sum += catch_it(i % 20);
	printf("%ld %d\n", sum, gone);
	for (int i = 0; i < 4; i++)
		threads.emplace_back([] {
			for (int k = 0; k < 200; k++)
				catch_it(k % 10);
		});
	for (auto &thread : threads)
		thread.join();
	return 0;
}
