import GRPCCore
import GRPCNIOTransportHTTP2
import GRPCProtobuf
import Hummingbird
import ServiceLifecycle
import Configuration
import Metrics
enum Placeholder {}
