#include <algorithm>
#include <boost/json.hpp>
#include <ostream>

#include "app/certificate.h"
#include "app/command.h"
#include "app/secret.h"
#include "catalog/loader.h"

namespace eventbus {
namespace {

struct Finding {
    std::string where;
    std::string what;
    std::string fix;
    bool warning = false;
};

bool names_secret(const Config& config) {
    return !config.jwt_secret.empty() || !config.jwt_secret_file.empty();
}

std::string place_of(const Problem& problem) {
    return problem.line > 0 ? problem.file + ":" + std::to_string(problem.line) : problem.file;
}

// What a server with these settings would need to start.
void check_secret(const Config& config, std::vector<Finding>& findings) {
    if (config.dev && !names_secret(config)) return;  // it makes one
    if (!names_secret(config)) {
        findings.push_back({"jwt_secret", "there is no way to verify tokens",
                            "set EVENTBUS_JWT_SECRET or jwt_secret_file, or use --dev on your own "
                            "machine"});
        return;
    }
    const auto secret = find_secret(config);
    if (!secret) {
        findings.push_back({config.jwt_secret.empty() ? "jwt_secret_file" : "jwt_secret",
                            "it cannot be used", secret.error().detail});
        return;
    }
    if (const std::string oddity = oddity_of(*secret); !oddity.empty()) {
        findings.push_back({secret->from, "the secret " + oddity, kOddSecretMend, true});
    }
}

void check_tls(const Config& config, Clock::WallTime now, std::vector<Finding>& findings) {
    if (!config.speaks_tls()) return;
    const auto tls = TlsContext::load(tls_files(config));
    if (!tls) {
        findings.push_back({"tls_certificate_file", "TLS cannot be spoken", tls.error().detail});
        return;
    }
    for (const std::string& doubt : doubts_about(**tls, now)) {
        findings.push_back({config.tls_certificate_file, "clients may refuse it", doubt, true});
    }
}

void print(const std::vector<Finding>& findings, bool json, std::ostream& out) {
    if (!json) {
        for (const Finding& one : findings) {
            out << one.where << ": " << (one.warning ? "warning: " : "") << one.what << "; "
                << one.fix << "\n";
        }
        return;
    }
    boost::json::array list;
    for (const Finding& one : findings) {
        list.push_back(
            {{"where", one.where}, {"what", one.what}, {"fix", one.fix}, {"warning", one.warning}});
    }
    out << boost::json::serialize(boost::json::object{{"problems", list}}) << "\n";
}

}  // namespace

int run_check_config(const CheckConfigOptions& options, const CommandContext& context) {
    ConfigSources sources{.environment = context.environment, .file = options.config};
    if (!options.catalog.empty()) sources.flags["catalog"] = options.catalog;
    const LoadedConfig loaded = load_config(sources);
    const bool names_server =
        !options.config.empty() || context.environment.contains("EVENTBUS_CONFIG");

    std::vector<Finding> findings;
    for (const ConfigProblem& one : loaded.problems) {
        findings.push_back({one.where, one.what, one.fix, one.warning});
    }
    if (loaded.is_good()) {
        if (names_server || names_secret(loaded.config)) check_secret(loaded.config, findings);
        check_tls(loaded.config, context.clock.wall_now(), findings);
    }
    const Loaded catalog = load_catalog(loaded.config.catalog);
    for (const Problem& one : catalog.problems) {
        findings.push_back({place_of(one), one.what, one.fix, one.warning});
    }

    print(findings, options.json, context.out);
    const bool is_good = std::all_of(findings.begin(), findings.end(),
                                     [](const Finding& one) { return one.warning; });
    if (is_good && !options.json) {
        context.out << loaded.config.catalog << ": good, " << catalog.catalog->types().size()
                    << " event types\n";
    }
    if (const Result<> written = flush_output(context.out); !written) {
        return fail(context, options.json, written.error());
    }
    return is_good ? kExitDone : kExitFailed;
}

}  // namespace eventbus
