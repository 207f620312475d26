#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include <prometheus/metric_family.h>

#include "server/engine/histogram.h"

namespace treadle::http {

using Labels = std::initializer_list<std::pair<const char*, std::string_view>>;

// A metric's value: a number of any kind, exact up to 2^53.
struct Value {
  template <typename Number, typename = std::enable_if_t<std::is_arithmetic_v<Number>>>
  Value(Number number) : shown(static_cast<double>(number)) {}  // NOLINT: as what it is

  double shown;
};

// One metric's values, each with its labels.
class Family {
 public:
  Family(const char* name, const char* help, prometheus::MetricType type);

  void Add(Labels labels, Value value);
  // So many of the histogram's units are one of the metric's.
  template <const auto& kBounds>
  void Add(Labels labels, const engine::Histogram<kBounds>& histogram, double units = 1) {
    prometheus::ClientMetric& metric = AddMetric(labels);
    prometheus::ClientMetric::Histogram& shown = metric.histogram;
    shown.bucket.reserve(histogram.counts().size());
    for (size_t i = 0; i < histogram.counts().size(); ++i) {
      const double bound = i < kBounds.size() ? static_cast<double>(kBounds[i]) / units : kNoBound;
      shown.sample_count += histogram.counts()[i];
      shown.bucket.push_back({shown.sample_count, bound});
    }
    shown.sample_sum = static_cast<double>(histogram.sum()) / units;
  }

  prometheus::MetricFamily& made() { return family_; }

 private:
  static const double kNoBound;

  prometheus::ClientMetric& AddMetric(Labels labels);

  prometheus::MetricFamily family_;
};

// All metrics of one scrape, in the order in which they are shown.
class Exposition {
 public:
  void Gauge(const char* name, const char* help, Value value);
  void Counter(const char* name, const char* help, Value value);
  // To be added to until the next one is begun. An empty one is left out.
  Family& Gauges(const char* name, const char* help);
  Family& Counters(const char* name, const char* help);
  Family& Histograms(const char* name, const char* help);

  std::vector<prometheus::MetricFamily> Take();

 private:
  std::vector<Family> families_;
};

}  // namespace treadle::http
