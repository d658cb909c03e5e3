"""What admin's own database user may do: the audit log is added to, and never changed."""

RIGHTS = {
    "audit_log": ("SELECT", "INSERT"),
    "audit_head": ("SELECT", "INSERT", "UPDATE"),
}
