# Linux' own selftests of what user space reaches RTAS by (tools/testing/selftests/powerpc).
. /oxrtas/user/common.sh
# Where the buffer for RTAS is differs with the size of RTAS.
normal() { sed -E -e '/^tags:/d' -e 's/^(RMO range:) .*/\1 somewhere/'; }
# selftest PROGRAM COUNT: one verdict a test, PROGRAM-1 and on. The programs print `test: NAME`, and
# `success: NAME`, `skip: NAME` or `failure: NAME` later.
selftest() {
  timeout 60 /oxrtas/selftests/$1 >/tmp/said 2>&1 </dev/null
  section $1 </tmp/said
  number=0
  grep -E '^(success|skip|failure|error): ' /tmp/said >/tmp/results
  while IFS=: read -r result name; do
    number=$((number + 1))
    case $result in
    success) verdict $1-$number pass "$name";;
    *) verdict $1-$number fail "$result:$name";;
    esac
  done </tmp/results
  check $1-count "$number tests" [ $number -eq $2 ]
}
selftest papr_vpd 8
selftest papr_sysparm 7
selftest attr_test 1
selftest rtas_filter 1
end_user
