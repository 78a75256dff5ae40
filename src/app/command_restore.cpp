#include <ostream>

#include "app/command.h"
#include "app/data_directory.h"
#include "backplane/embedded/embedded_log.h"
#include "base/random.h"

namespace eventbus {

int run_restore(const RestoreOptions& options, const CommandContext& context) {
    const Result<DataDirectory> directory = DataDirectory::take(options.data);
    if (!directory) return fail(context, options.json, directory.error());
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
