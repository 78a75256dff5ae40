#include <ostream>

#include "app/command.h"
#include "backplane/embedded/embedded_log.h"
#include "base/random.h"

namespace eventbus {

int run_restore(const RestoreOptions& options, const CommandContext& context) {
    SystemRandom random;
    const Result<Position> end =
        EmbeddedLog::end_copy({.data_dir = options.data}, context.clock, random);
    if (!end) return fail(context, options.json, end.error());
    if (options.json) {
        context.out << R"({"end":)" << to_string(*end) << "}\n";
    } else {
        context.out
            << "Start the server: its log goes on in a new epoch. Clients and groups that have "
               "seen more than the newest event here, at position "
            << to_string(*end) << ", will be told.\n";
    }
    return kExitDone;
}

}  // namespace eventbus
