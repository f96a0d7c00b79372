// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0

/// How each device of a fleet is, from its last evidence on: kept, counted, grown stale with time, judged
/// again without the device where what it was judged by has changed, and what follows where one is not
/// good.
@NullMarked
package dev.tegata.platform.posture;

import org.jspecify.annotations.NullMarked;
