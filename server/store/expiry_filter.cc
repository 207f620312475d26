#include "server/store/expiry_filter.h"

#include "server/store/expiry.h"

namespace treadle::store {

bool ExpiryFilter::Filter(int, const rocksdb::Slice&, const rocksdb::Slice& value, std::string*,
                          bool*) const {
  return Expired(value.ToStringView(), clock_.NowMs());
}

}  // namespace treadle::store
