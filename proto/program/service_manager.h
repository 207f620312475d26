#pragma once

// Tells systemd how far this process is, where it started it with Type=notify (sd_notify(3)). Where
// nobody asked, these do nothing.
namespace treadle::program {

void NotifyReady();
void NotifyStopping();

}  // namespace treadle::program
