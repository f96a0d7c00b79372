// SPDX-FileCopyrightText: The Tegata authors
// SPDX-License-Identifier: Apache-2.0

/// platform
@NullMarked
package dev.tegata.platform;

import org.jspecify.annotations.NullMarked;
