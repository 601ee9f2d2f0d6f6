. /oxrtas/summary.sh
