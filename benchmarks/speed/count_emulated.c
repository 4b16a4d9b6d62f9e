/* A plugin of QEMU's user-mode emulators that counts the instructions of a program, and says how many at its end, on
 * stderr. Built and loaded by benchmarks/speed/instructions.py --emulator. Debian has no header for plugins: what is
 * used of their interface (version 1) is declared here. */
#include <inttypes.h>
#include <stdio.h>

typedef uint64_t qemu_plugin_id_t;
struct qemu_plugin_tb;
typedef void (*translated)(qemu_plugin_id_t id, struct qemu_plugin_tb *block);
typedef void (*ended)(qemu_plugin_id_t id, void *data);
enum { ADD_U64 = 0 };

void qemu_plugin_register_vcpu_tb_trans_cb(qemu_plugin_id_t id, translated callback);
void qemu_plugin_register_atexit_cb(qemu_plugin_id_t id, ended callback, void *data);
void qemu_plugin_register_vcpu_tb_exec_inline(struct qemu_plugin_tb *block, int operation, void *at, uint64_t by);
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *block);

__attribute__((visibility("default"))) int qemu_plugin_version = 1;

static uint64_t count;

/* A block of instructions is run as a whole, unless one of them faults. */
static void count_block(qemu_plugin_id_t id, struct qemu_plugin_tb *block) {
    (void)id;
    qemu_plugin_register_vcpu_tb_exec_inline(block, ADD_U64, &count, qemu_plugin_tb_n_insns(block));
}

static void say(qemu_plugin_id_t id, void *data) {
    (void)id;
    (void)data;
    fprintf(stderr, "Collected : %" PRIu64 "\n", count);
}

__attribute__((visibility("default"))) int qemu_plugin_install(qemu_plugin_id_t id, const void *info, int words,
                                                               char **word);
int qemu_plugin_install(qemu_plugin_id_t id, const void *info, int words, char **word) {
    (void)info;
    (void)words;
    (void)word;
    qemu_plugin_register_vcpu_tb_trans_cb(id, count_block);
    qemu_plugin_register_atexit_cb(id, say, 0);
    return 0;
}
