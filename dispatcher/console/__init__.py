"""The console: pages for officers, approvers, carriers' engineers, auditors and operators."""
