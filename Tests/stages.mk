# The parts of `make test`, each of which `make stage-NAME` runs by itself; scripts/test-stage.sh says what became of it.

# Suites of EtcdGatewayTests that start clusters of etcd.
ETCD_SUITES := EtcdClientTests|EtcdFailoverTests|EtcdAuthorizationTests
# One pass of a service with a cluster that loses members.
ETCD_PASS := MemberFailureTests
# Tests that hash trees of thousands of leaves, or start witnesses.
HASHING_TESTS := LedgerTransparencyTests|LedgerVerifyTests|WitnessServerTests
# Tests with deadlines of a second and less, against peers of the test's own.
DEADLINE_TESTS := EtcdGatewayTests|HTTPTransportTests|CallInterceptorTests|GRPCHealthServiceTests
# They start a real etcd, a real service, and a real server of S3.
ARCHIVE_TESTS := LedgerArchiveTests|ObjectStorageTests
# These ask how fast something is, or keep every processor busy.
STEADY_TESTS := SteadyReplicasTests|ReplicaSoakTests|OverloadTests|EtcdBreakerTests|StoppingTests|LostAnswerTests|WitnessGroupTests

# Most wait for servers more than they compute, and run beside each other: the longest first, so that they end together. What
# only computes fills the time in which they wait, and gives way to them. Real deadlines beside others would measure
# those; they come after, one part at a time. ALSO_BESIDE and ALSO_ALONE name targets that are to run with them.
TEST_JOBS ?= 3
ALSO_BESIDE ?=
ALSO_ALONE ?=
STAGES_BESIDE := swift-integration swift-core $(ALSO_BESIDE) test-backup python-archive_faults \
	test-clients python-archive swift-hashing test-logs test-monitoring test-deploy test-traces \
	test-projection swift-archive python-export python-authorities python-witness_authority \
	python-monitor test-local python-archive_s3 test-docs python-witness \
	python-server_name test-formats
STAGES_ALONE := $(ALSO_ALONE) python-stopping test-fuzz swift-deadlines swift-etcd swift-steady swift-units

FILTER_integration := --filter IntegrationTests --skip '$(STEADY_TESTS)'
FILTER_archive := --filter '$(ARCHIVE_TESTS)'
FILTER_core := --filter 'LedgerCoreTests|SimulationTests'
FILTER_hashing := --filter '$(HASHING_TESTS)' --skip '$(STEADY_TESTS)'
FILTER_deadlines := --filter '$(DEADLINE_TESTS)' --skip '$(ETCD_SUITES)'
FILTER_etcd := --filter '$(ETCD_SUITES)'
FILTER_steady := --filter '$(STEADY_TESTS)'
FILTER_units := --skip 'LedgerCoreTests|SimulationTests|$(HASHING_TESTS)|$(DEADLINE_TESTS)|$(ARCHIVE_TESTS)|IntegrationTests'
# What goes wrong there is drawn from a seed; the same one each time, so that a pass means the same each time.
OPTIONS_archive_faults := --seed 1

PRIORITY_core := nice -n 19

stage-swift-%:
	@scripts/test-stage.sh swift-$* $(PRIORITY_$*) env BIN="$(BIN)" scripts/swift-test.sh \
		$(or $(FILTER_$*),$(error Tests/stages.mk knows no part swift-$*))
stage-python-%:
	@scripts/test-stage.sh python-$* \
		.local/venv/bin/python -B Tests/python/$*_test.py --bin "$(BIN)" $(OPTIONS_$*)
stage-%:
	@scripts/test-stage.sh $* $(MAKE) $*
