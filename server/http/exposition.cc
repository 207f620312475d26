#include "server/http/exposition.h"

#include <limits>
#include <utility>

namespace treadle::http {

using prometheus::MetricType;

const double Family::kNoBound = std::numeric_limits<double>::infinity();

Family::Family(const char* name, const char* help, MetricType type) {
  family_.name = name;
  family_.help = help;
  family_.type = type;
}

prometheus::ClientMetric& Family::AddMetric(Labels labels) {
  prometheus::ClientMetric& metric = family_.metric.emplace_back();
  metric.label.reserve(labels.size());
  for (const auto& [name, value] : labels) metric.label.push_back({name, std::string(value)});
  return metric;
}

void Family::Add(Labels labels, Value value) {
  prometheus::ClientMetric& metric = AddMetric(labels);
  if (family_.type == MetricType::Counter) {
    metric.counter.value = value.shown;
  } else {
    metric.gauge.value = value.shown;
  }
}

void Exposition::Gauge(const char* name, const char* help, Value value) {
  Gauges(name, help).Add({}, value);
}
void Exposition::Counter(const char* name, const char* help, Value value) {
  Counters(name, help).Add({}, value);
}

Family& Exposition::Gauges(const char* name, const char* help) {
  return families_.emplace_back(name, help, MetricType::Gauge);
}
Family& Exposition::Counters(const char* name, const char* help) {
  return families_.emplace_back(name, help, MetricType::Counter);
}
Family& Exposition::Histograms(const char* name, const char* help) {
  return families_.emplace_back(name, help, MetricType::Histogram);
}

std::vector<prometheus::MetricFamily> Exposition::Take() {
  std::vector<prometheus::MetricFamily> made;
  made.reserve(families_.size());
  for (Family& family : families_) {
    if (!family.made().metric.empty()) made.push_back(std::move(family.made()));
  }
  families_.clear();
  return made;
}

}  // namespace treadle::http
