// SPDX-License-Identifier: GPL-2.0
/*
 * Calls RTAS on many processors at once, each with a buffer of its own and without any lock: for
 * firmware that promises that this is safe. The kernel's own calls go on meanwhile, under their
 * lock.
 *
 * /proc/oxrtas_hammer says what has been done. A deviation from LoPAR is also in the kernel's log.
 */
#include <linux/cpumask.h>
#include <linux/gfp.h>
#include <linux/kthread.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/of.h>
#include <linux/proc_fs.h>
#include <linux/sched.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <asm/cacheflush.h>
#include <asm/hw_irq.h>
#include <asm/interrupt.h>
#include <asm/rtas.h>
#include <asm/smp.h>
#include "caller.h"
#include "enter.h"

#define ARGUMENTS	0x400
#define COMPLAINTS	8
/* What stands in every output before a call. */
#define UNWRITTEN	0x5a5a5a5a

static char *processors = "";
module_param(processors, charp, 0444);
MODULE_PARM_DESC(processors, "processors that call, as a list, or none (default: all online)");
static char *servers_of = "";
module_param_named(servers, servers_of, charp, 0444);
MODULE_PARM_DESC(servers, "processors that sources are given to (default: all online)");
static char *only = "";
module_param(only, charp, 0444);
MODULE_PARM_DESC(only, "this call alone, on `source`, instead of all four on spare sources");
static uint source;
module_param(source, uint, 0444);
MODULE_PARM_DESC(source, "the source of `only`");
static bool locked;
module_param(locked, bool, 0444);
MODULE_PARM_DESC(locked, "through the kernel's rtas_call, which takes its lock");
static uint spare = 0x1e00;
module_param(spare, uint, 0444);
MODULE_PARM_DESC(spare, "the first of the sources that nobody uses");

static const struct {
	const char *name;
	int inputs;
	int outputs;
} shapes[CALLS] = {
	[GET_XIVE] = { "ibm,get-xive", 1, 3 },
	[SET_XIVE] = { "ibm,set-xive", 3, 1 },
	[INT_OFF] = { "ibm,int-off", 1, 1 },
	[INT_ON] = { "ibm,int-on", 1, 1 },
};

/* Written before the first thread starts, and constant from then on. */
static u32 tokens[CALLS];
static u32 rtas_base;
static u32 rtas_entry;
static u32 servers[NR_CPUS];
static u32 server_count;
static enum call only_call = CALLS;
static struct caller *callers;
static struct task_struct **threads;
static unsigned int caller_count;

static atomic_t complaints = ATOMIC_INIT(COMPLAINTS);

void oxrtas_deviation(struct caller *caller, const char *format, ...)
{
	struct va_format text;
	va_list words;

	caller->deviations++;
	if (atomic_dec_if_positive(&complaints) < 0)
		return;
	va_start(words, format);
	text.fmt = format;
	text.va = &words;
	pr_err("oxrtas_hammer: deviation: %pV\n", &text);
	va_end(words);
}

/* xorshift64 */
u32 oxrtas_random(struct caller *caller)
{
	caller->seed ^= caller->seed << 13;
	caller->seed ^= caller->seed >> 7;
	caller->seed ^= caller->seed << 17;
	return caller->seed >> 32;
}

u32 oxrtas_server(u32 index)
{
	return servers[index % server_count];
}

int oxrtas_call_locked(enum call call, u32 number, u32 value[2])
{
	int outputs[2] = { 0, 0 };
	int status;

	switch (call) {
	case SET_XIVE:
		return rtas_call(tokens[call], 3, 1, NULL, number, value[0], value[1]);
	case GET_XIVE:
		status = rtas_call(tokens[call], 1, 3, outputs, number);
		value[0] = outputs[0];
		value[1] = outputs[1];
		return status;
	default:
		return rtas_call(tokens[call], 1, 1, NULL, number);
	}
}

static int call_alone(struct caller *caller, enum call call, u32 number, u32 value[2])
{
	/* token, numbers of inputs and outputs, inputs, outputs: big-endian cells */
	__be32 *cells = caller->page + ARGUMENTS;
	__be32 *outputs = cells + 3 + shapes[call].inputs;
	unsigned long flags;
	int i;

	cells[0] = cpu_to_be32(tokens[call]);
	cells[1] = cpu_to_be32(shapes[call].inputs);
	cells[2] = cpu_to_be32(shapes[call].outputs);
	cells[3] = cpu_to_be32(number);
	if (call == SET_XIVE) {
		cells[4] = cpu_to_be32(value[0]);
		cells[5] = cpu_to_be32(value[1]);
	}
	for (i = 0; i < shapes[call].outputs; i++)
		outputs[i] = cpu_to_be32(UNWRITTEN);

	local_irq_save(flags);
	hard_irq_disable();
	oxrtas_enter(__pa(cells), rtas_base, rtas_entry, caller->page, __pa(caller->page));
	srr_regs_clobbered();
	local_irq_restore(flags);

	if (call == GET_XIVE) {
		value[0] = be32_to_cpu(outputs[1]);
		value[1] = be32_to_cpu(outputs[2]);
	}
	return be32_to_cpu(outputs[0]);
}

int oxrtas_call(struct caller *caller, enum call call, u32 number, u32 value[2])
{
	int status = locked ? oxrtas_call_locked(call, number, value) :
			      call_alone(caller, call, number, value);

	WRITE_ONCE(caller->calls, caller->calls + 1);
	return status;
}

static void hammer_one(struct caller *caller)
{
	u32 value[2] = { oxrtas_server(0), 5 };
	int i, status;

	for (i = 0; i < 16; i++) {
		status = oxrtas_call(caller, only_call, source, value);
		if (status) {
			caller->refused++;
			oxrtas_deviation(caller, "%s on source %#x: status %d", only, source,
					 status);
		}
	}
}

static int hammer(void *data)
{
	struct caller *caller = data;

	while (!kthread_should_stop()) {
		if (only_call != CALLS) {
			hammer_one(caller);
		} else {
			oxrtas_private_round(caller);
			oxrtas_shared_round(caller, spare);
		}
		cond_resched();
	}
	if (only_call == CALLS)
		oxrtas_silence(caller, caller->first, OWN_SOURCES);
	return 0;
}

static int show(struct seq_file *file, void *unused)
{
	u64 calls = 0, refused = 0, deviations = 0, least = U64_MAX;
	unsigned int i;

	for (i = 0; i < caller_count; i++) {
		u64 own = READ_ONCE(callers[i].calls);

		calls += own;
		least = min(least, own);
		refused += READ_ONCE(callers[i].refused);
		deviations += READ_ONCE(callers[i].deviations);
	}
	seq_printf(file, "threads %u\ncalls %llu\nleast %llu\nrefused %llu\ndeviations %llu\n",
		   caller_count, calls, least, refused, deviations);
	return 0;
}

static int find_rtas(void)
{
	struct device_node *node = of_find_node_by_path("/rtas");
	int call, error;

	if (!node)
		return -ENODEV;
	error = of_property_read_u32(node, "linux,rtas-base", &rtas_base) ?:
		of_property_read_u32(node, "linux,rtas-entry", &rtas_entry);
	for (call = 0; !error && call < CALLS; call++)
		error = of_property_read_u32(node, shapes[call].name, &tokens[call]);
	of_node_put(node);
	return error;
}

u32 oxrtas_token(enum call call)
{
	return tokens[call];
}

enum call oxrtas_named(const char *name)
{
	int call;

	for (call = 0; call < CALLS; call++)
		if (!strcmp(name, shapes[call].name))
			break;
	return call;
}

static int find_only(void)
{
	if (!*only)
		return 0;
	only_call = oxrtas_named(only);
	return only_call == CALLS ? -EINVAL : 0;
}

static int find_servers(void)
{
	cpumask_var_t wanted;
	unsigned int cpu;
	int error;

	if (!zalloc_cpumask_var(&wanted, GFP_KERNEL))
		return -ENOMEM;
	error = *servers_of ? cpulist_parse(servers_of, wanted) : 0;
	for_each_online_cpu(cpu)
		if (!*servers_of || cpumask_test_cpu(cpu, wanted))
			servers[server_count++] = get_hard_smp_processor_id(cpu);
	free_cpumask_var(wanted);
	return error ?: server_count ? 0 : -EINVAL;
}

static int prepare(struct caller *caller, unsigned int index)
{
	u32 *landing;
	int i, words = oxrtas_landing_end - oxrtas_landing;
	struct page *page = alloc_page(GFP_KERNEL | GFP_DMA | __GFP_ZERO);

	if (!page)
		return -ENOMEM;
	caller->page = page_address(page);
	/* RTAS gets 32-bit addresses. */
	if (__pa(caller->page) + PAGE_SIZE > SZ_4G)
		return -ENOMEM;
	if (words * sizeof(u32) > LANDING_DATA)
		return -EINVAL;
	landing = caller->page;
	for (i = 0; i < words; i++)
		landing[i] = swab32(oxrtas_landing[i]);
	flush_icache_range((unsigned long)landing, (unsigned long)(landing + words));
	caller->seed = 0x9e3779b97f4a7c15 * (index + 1);
	caller->first = spare + SHARED_SOURCES + index * OWN_SOURCES;
	return 0;
}

static void stop(void)
{
	unsigned int i;

	for (i = 0; i < caller_count; i++)
		if (threads[i])
			kthread_stop(threads[i]);
	if (caller_count && callers[0].page && only_call == CALLS)
		oxrtas_silence(&callers[0], spare, SHARED_SOURCES);
	for (i = 0; i < caller_count; i++)
		if (callers[i].page)
			free_page((unsigned long)callers[i].page);
	kfree(callers);
	kfree(threads);
}

static int start(const struct cpumask *wanted)
{
	unsigned int cpu, i = 0;
	int error;

	caller_count = cpumask_weight(wanted);
	callers = kcalloc(caller_count, sizeof(*callers), GFP_KERNEL);
	threads = kcalloc(caller_count, sizeof(*threads), GFP_KERNEL);
	if (!callers || !threads || !caller_count) {
		caller_count = 0;
		return -ENOMEM;
	}
	for (i = 0; i < caller_count; i++) {
		error = prepare(&callers[i], i);
		if (error)
			return error;
	}
	if (only_call == CALLS)
		oxrtas_set_shared(&callers[0], spare);
	i = 0;
	for_each_cpu(cpu, wanted) {
		struct task_struct *thread = kthread_create(hammer, &callers[i], "hammer/%u", cpu);

		if (IS_ERR(thread))
			return PTR_ERR(thread);
		kthread_bind(thread, cpu);
		threads[i++] = thread;
	}
	for (i = 0; i < caller_count; i++)
		wake_up_process(threads[i]);
	return 0;
}

/* The files of the module's other parts, all of them or none. */
static int __init make_files(void)
{
	int error = oxrtas_slot_init();

	if (error)
		return error;
	error = oxrtas_ask_init();
	if (error)
		goto no_ask;
	error = oxrtas_memory_init();
	if (error)
		goto no_memory;
	return 0;
no_memory:
	oxrtas_ask_exit();
no_ask:
	oxrtas_slot_exit();
	return error;
}

static int __init hammer_init(void)
{
	bool nobody = !strcmp(processors, "none");
	cpumask_var_t wanted;
	int error;

	error = find_rtas() ?: find_only();
	if (error)
		return error;
	if (!zalloc_cpumask_var(&wanted, GFP_KERNEL))
		return -ENOMEM;
	error = *processors && !nobody ? cpulist_parse(processors, wanted) : 0;
	if (!error && !*processors)
		cpumask_copy(wanted, cpu_online_mask);
	cpumask_and(wanted, wanted, cpu_online_mask);
	error = error ?: find_servers();
	if (!nobody)
		error = error ?: start(wanted);
	free_cpumask_var(wanted);
	if (!error && !proc_create_single("oxrtas_hammer", 0444, NULL, show))
		error = -ENOMEM;
	if (!error) {
		error = make_files();
		if (error)
			remove_proc_entry("oxrtas_hammer", NULL);
	}
	if (error)
		stop();
	return error;
}

static void __exit hammer_exit(void)
{
	oxrtas_memory_exit();
	oxrtas_ask_exit();
	oxrtas_slot_exit();
	remove_proc_entry("oxrtas_hammer", NULL);
	stop();
}

module_init(hammer_init);
module_exit(hammer_exit);
MODULE_DESCRIPTION("Calls RTAS on many processors at once");
MODULE_LICENSE("GPL");
