"""Projects over HTTP: JSON trees and ZIPs in and out, streamed."""
