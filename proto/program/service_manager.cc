#include "proto/program/service_manager.h"

#include <systemd/sd-daemon.h>

namespace treadle::program {

void NotifyReady() { sd_notify(0, "READY=1"); }

void NotifyStopping() { sd_notify(0, "STOPPING=1"); }

}  // namespace treadle::program
