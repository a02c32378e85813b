#include "sql/shell/shell.h"
#include <stdlib.h>

const struct shell_command *shell_commands(unsigned *n)
{
    static const struct shell_command commands[] = {
#define X(name, doc) {#name, doc, cmd_##name},
#include "sql/shell/commands.def"
#undef X
    };
    *n = ARRAY_LEN(commands);
    return commands;
}

const char *shell_server(const char *flag)
{
    const char *env = getenv("WEIR_SERVER");
    return flag ? flag : env && *env ? env : "127.0.0.1:9092";
}
