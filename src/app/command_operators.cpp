#include <ostream>

#include "app/access.h"
#include "app/command.h"
#include "groups/group_key.h"

namespace eventbus {
namespace {

constexpr auto kTimeout = std::chrono::seconds(30);

}  // namespace

int run_groups_delete(const GroupsDeleteOptions& options, const CommandContext& context) {
    const GroupKey group{options.name, options.topic};
    if (const Result<> good = check(group); !good) {
        fail(context, options.json, good.error());
        return kExitUsage;
    }
    const auto server = find_server(options.access, context);
    if (!server) return fail(context, options.json, server.error());
    const auto token = find_token(options.access, context);
    if (!token) return fail(context, options.json, token.error());

    const auto response = send_request(*server,
                                       {.method = "DELETE",
                                        .target = "/v1/groups/" + group.name + "/" + group.topic,
                                        .headers = {{"Authorization", "Bearer " + *token}},
                                        .body = {}},
                                       kTimeout);
    if (!response) return fail(context, options.json, response.error());
    if (response->status != 200) return fail(context, options.json, error_of(*response));
    if (options.json) {
        context.out << response->body << "\n";
    } else {
        context.out << "deleted " << to_string(group) << "\n";
    }
    return kExitDone;
}

}  // namespace eventbus
