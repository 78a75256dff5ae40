#include "ops/metrics.h"

#include <prometheus/metric_family.h>
#include <prometheus/text_serializer.h>

#include <limits>

namespace eventbus {
namespace {

Metrics::ReadMany one(Metrics::Read read) {
    return [read = std::move(read)] { return std::vector<Metrics::Sample>{{{}, read()}}; };
}

prometheus::ClientMetric::Histogram sum_of(const std::vector<const LatencyHistogram*>& parts) {
    prometheus::ClientMetric::Histogram sum;
    double micros = 1;
    for (std::size_t i = 0; i < LatencyHistogram::kBuckets; ++i, micros *= 2) {
        for (const LatencyHistogram* part : parts) sum.sample_count += part->bucket(i);
        const bool is_last = i + 1 == LatencyHistogram::kBuckets;
        sum.bucket.push_back(
            {sum.sample_count, is_last ? std::numeric_limits<double>::infinity() : micros / 1e6});
    }
    for (const LatencyHistogram* part : parts) {
        sum.sample_sum += static_cast<double>(part->sum_ns()) / 1e9;
    }
    return sum;
}

}  // namespace

void Metrics::add_counter(std::string name, std::string help, Read read) {
    add_counter(std::move(name), std::move(help), one(std::move(read)));
}
void Metrics::add_counter(std::string name, std::string help, ReadMany read) {
    families_.push_back({std::move(name), std::move(help), Kind::kCounter, std::move(read), {}});
}
void Metrics::add_gauge(std::string name, std::string help, Read read) {
    add_gauge(std::move(name), std::move(help), one(std::move(read)));
}
void Metrics::add_gauge(std::string name, std::string help, ReadMany read) {
    families_.push_back({std::move(name), std::move(help), Kind::kGauge, std::move(read), {}});
}
void Metrics::add_latency(std::string name, std::string help, ReadHistogram read) {
    families_.push_back({std::move(name), std::move(help), Kind::kHistogram, {}, std::move(read)});
}

std::string Metrics::render() const {
    std::vector<prometheus::MetricFamily> families;
    families.reserve(families_.size());
    for (const Family& family : families_) {
        prometheus::MetricFamily made;
        made.name = family.name;
        made.help = family.help;
        made.type = family.kind == Kind::kCounter ? prometheus::MetricType::Counter
                    : family.kind == Kind::kGauge ? prometheus::MetricType::Gauge
                                                  : prometheus::MetricType::Histogram;
        if (family.kind == Kind::kHistogram) {
            made.metric.emplace_back().histogram = sum_of(family.histogram());
        } else {
            for (const Sample& sample : family.read()) {
                prometheus::ClientMetric& metric = made.metric.emplace_back();
                for (const Label& label : sample.labels) {
                    metric.label.push_back({label.name, label.value});
                }
                metric.counter.value = metric.gauge.value = sample.value;
            }
        }
        families.push_back(std::move(made));
    }
    return prometheus::TextSerializer().Serialize(families);
}

}  // namespace eventbus
